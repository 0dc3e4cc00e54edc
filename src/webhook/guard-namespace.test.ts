import { expect, it } from 'vitest'
import { describeRule } from '../../test/admission/describe-rule.ts'
import { containsModulesLabel } from '../api/labels.ts'
import type { KubeObject } from '../kube/object.ts'
import { refuseNamespaceDeletion } from './guard-namespace.ts'

const ask = (labels?: Record<string, string>): KubeObject => ({
  metadata: { name: 'ns', ...(labels ? { labels } : {}) },
})

describeRule('11.2', {
  judge: (namespace: KubeObject) => (refuseNamespaceDeletion(namespace) === undefined ? [] : ['namespace']),
  accepted: [
    ['no labels', ask()],
    ['other labels', ask({ other: '' })],
    ['no metadata', {}],
  ],
  refused: [
    ['the label among others', ask({ other: '', [containsModulesLabel]: '' }), ['namespace']],
    ['the label with whatever value', ask({ [containsModulesLabel]: 'false' }), ['namespace']],
  ],
  boundary: {
    accepted: ['a label whose name begins alike', ask({ [`${containsModulesLabel}-not`]: '' })],
    refused: ['the label', ask({ [containsModulesLabel]: '' }), ['namespace']],
  },
})

it('says how to get rid of the namespace', () => {
  expect(refuseNamespaceDeletion(ask({ [containsModulesLabel]: '' }))).toContain('kubectl delete modules')
})
