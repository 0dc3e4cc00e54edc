import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { faultsOf, mutants } from './mutants.ts'

it('there are at least ten mutants, each with a name of its own', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBeGreaterThanOrEqual(10)
})

it.each(mutants)('the fault can be put in: $name', (mutant) => {
  for (const { file, text, replacement } of faultsOf(mutant)) {
    expect(readFileSync(file, 'utf8').split(text)).toHaveLength(2)
    expect(replacement).not.toBe(text)
  }
})
