import { expect, it } from 'vitest'
import { expandVariables } from './expand-variables.ts'

it.each([
  ['plain', 'plain'],
  ['$(A)/$(B)', 'one/two'],
  ['$(NO)', '$(NO)'],
  ['$$(A)', '$(A)'],
  ['$$$(A)', '$one'],
  ['$$$$', '$$'],
  ['$A ${A} $', '$A ${A} $'],
  ['$(A', '$(A'],
  ['$(toString)', '$(toString)'],
])('makes of %s what the kubelet does: %s', (text, expected) => {
  expect(expandVariables([text], { A: 'one', B: 'two' })).toEqual([expected])
})
