import { expect, it } from 'vitest'
import { validatePreflight } from './validate-preflight.ts'

const ask = (kernelVersion: string) => validatePreflight({ metadata: { name: 'p' }, spec: { kernelVersion } })

it.each(['6.1.0', '6.1.0-56-amd64', '6.1-0', '5.14.0-427.el9.x86_64', 'a-b-c'])('takes %s for a kernel', (version) => {
  expect(ask(version)).toEqual({ errors: [], warnings: [] })
})

it.each([
  ['', 'must not be empty'],
  ['6.1', 'is no kernel version'],
  ['6', 'is no kernel version'],
])('does not take "%s" for a kernel', (version, words) => {
  const { errors } = ask(version)
  expect(errors.map(({ field }) => field)).toEqual(['spec.kernelVersion'])
  expect(errors[0]?.message).toContain(words)
})

it('accepts commas, as upstream does, and warns that mappings cannot use them', () => {
  expect(ask('6,1,0').errors).toEqual([])
  expect(ask('6,1,0').warnings).toHaveLength(1)
})

it('lets an update pass that changes nothing', () => {
  const object = { metadata: { name: 'p' }, spec: { kernelVersion: '' } }
  expect(validatePreflight(object, structuredClone(object)).errors).toEqual([])
})
