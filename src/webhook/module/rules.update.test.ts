import { expect, it } from 'vitest'
import { describeRule } from '../../../test/admission/describe-rule.ts'
import {
  container,
  first,
  judgeAsked,
  makeModule,
  text,
  withContainer,
  withMapping,
  withoutLoader,
  withToleration,
} from '../../../test/admission/modules.ts'
import { validateModule } from './validate-module.ts'

const versioned = withContainer({ version: '1' })
const broken = withMapping({ regexp: '(' })
const deleted = { ...broken, metadata: { ...broken.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }

describeRule('update', {
  judge: judgeAsked,
  accepted: [
    ['the removal of the loader with its version', { module: withoutLoader(), old: versioned }],
    ['a loader with a version where there was none', { module: versioned, old: withoutLoader() }],
    ['a spec that stays as it is, and was never right', { module: broken, old: structuredClone(broken) }],
    [
      'labels of such a Module',
      { module: { ...broken, metadata: { ...broken.metadata, labels: { a: 'b' } } }, old: broken },
    ],
    ['any change of what is being deleted', { module: deleted, old: makeModule() }],
    ['a version in a new Module', { module: versioned }],
  ],
  refused: [
    ['a version that comes', { module: versioned, old: makeModule() }, [`${container}.version`]],
    ['a version that goes', { module: makeModule(), old: versioned }, [`${container}.version`]],
    ['a change that makes it wrong', { module: broken, old: makeModule() }, [`${first}.regexp`]],
    ['a change of what was wrong before', { module: withMapping({ regexp: '((' }), old: broken }, [`${first}.regexp`]],
  ],
  boundary: {
    accepted: ['another version', { module: withContainer({ version: '2' }), old: versioned }],
    refused: ['an empty version', { module: withContainer({ version: '' }), old: versioned }, [`${container}.version`]],
  },
})

it('warns of nothing where an update leaves the spec alone', () => {
  const warned = withMapping({ regexp: 'x', containerImage: 'r/x:latest' })
  expect(validateModule(warned).warnings).not.toEqual([])
  expect(validateModule(warned, structuredClone(warned)).warnings).toEqual([])
})

describeRule('1', {
  judge: judgeAsked,
  accepted: [
    ['40 characters', { module: makeModule({}, { name: text(20), namespace: text(20) }) }],
    ['41 characters with a version', { module: { ...versioned, metadata: { name: text(39), namespace: 'ns' } } }],
  ],
  refused: [
    ['a very long name', { module: makeModule({}, { name: text(63), namespace: 'ns' }) }, ['metadata.name']],
    ['a very long namespace', { module: makeModule({}, { name: 'm', namespace: text(63) }) }, ['metadata.name']],
    [
      '42 characters with a version, as without',
      { module: { ...versioned, metadata: { name: text(40), namespace: 'ns' } } },
      ['metadata.name'],
    ],
  ],
  boundary: {
    accepted: ['41 characters', { module: makeModule({}, { name: text(20), namespace: text(21) }) }],
    refused: ['42 characters', { module: makeModule({}, { name: text(21), namespace: text(21) }) }, ['metadata.name']],
  },
})

const at = 'spec.tolerations[0]'
const ask = (toleration: Parameters<typeof withToleration>[0]) => ({ module: withToleration(toleration) })

describeRule('2', {
  judge: judgeAsked,
  accepted: [
    ['one of everything', ask({ operator: 'Exists' })],
    ['one of a value', ask({ key: 'example.com/x', value: 'y', effect: 'NoSchedule' })],
    ['one of an empty value', ask({ key: 'x', operator: 'Equal', effect: 'PreferNoSchedule' })],
    ['one for a time', ask({ key: 'x', effect: 'NoExecute', tolerationSeconds: 5 })],
  ],
  refused: [
    ['a key with a space', ask({ key: 'a b', operator: 'Exists' }), [`${at}.key`]],
    ['a key with two slashes', ask({ key: 'a/b/c', operator: 'Exists' }), [`${at}.key`]],
    ['Equal without a key', ask({ operator: 'Equal' }), [`${at}.key`]],
    ['neither key nor operator', ask({}), [`${at}.key`]],
    ['seconds without NoExecute', ask({ key: 'x', tolerationSeconds: 0 }), [`${at}.tolerationSeconds`]],
    ['a value that is none', ask({ key: 'x', value: '-' }), [`${at}.value`]],
    ['a value beside Exists', ask({ key: 'x', operator: 'Exists', value: 'y' }), [`${at}.value`]],
    ['an operator that compares', ask({ key: 'x', operator: 'Lt', value: '1' }), [`${at}.operator`]],
    ['an unknown effect', ask({ key: 'x', effect: 'Never' }), [`${at}.effect`]],
  ],
  boundary: {
    accepted: ['a key of 63 characters', ask({ key: text(63), operator: 'Exists' })],
    refused: ['a key of 64 characters', ask({ key: text(64), operator: 'Exists' }), [`${at}.key`]],
  },
})
