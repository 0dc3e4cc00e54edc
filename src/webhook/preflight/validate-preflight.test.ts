import { expect, it } from 'vitest'
import { describeRule } from '../../../test/admission/describe-rule.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import { validatePreflight } from './validate-preflight.ts'

interface Asked {
  object: PreflightValidation
  old?: PreflightValidation
}

const make = (kernelVersion: string): PreflightValidation => ({ metadata: { name: 'p' }, spec: { kernelVersion } })
const ask = (kernelVersion: string, old?: string): Asked => ({
  object: make(kernelVersion),
  ...(old === undefined ? {} : { old: make(old) }),
})
const field = ['spec.kernelVersion']

describeRule('11.3', {
  judge: ({ object, old }: Asked) => validatePreflight(object, old).errors.map((error) => error.field),
  accepted: [
    ['a version of Debian', ask('6.1.0-56-amd64')],
    ['a version of Red Hat', ask('5.14.0-427.el9.x86_64')],
    ['three parts of whatever kind', ask('a-b-c')],
    ['three parts, apart in two ways', ask('6.1-0')],
    ['commas, as upstream does', ask('6,1,0')],
    ['a spec that stays as it is, and was never right', ask('6', '6')],
  ],
  refused: [
    ['nothing', ask(''), field],
    ['one part', ask('6'), field],
    ['a change to something wrong', ask('6', '6.1.0'), field],
  ],
  boundary: { accepted: ['three parts', ask('6.1.0')], refused: ['two parts', ask('6.1'), field] },
})

it.each([
  ['', 'must not be empty'],
  ['6.1', 'is no kernel version'],
])('says what "%s" lacks', (version, words) => {
  expect(validatePreflight(make(version)).errors[0]?.message).toContain(words)
})

it('warns that mappings cannot use commas, and of nothing else', () => {
  expect(validatePreflight(make('6,1,0')).warnings).toHaveLength(1)
  expect(validatePreflight(make('6.1.0-56-amd64')).warnings).toEqual([])
})
