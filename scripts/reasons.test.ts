import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { operatorReasons, reportReasons } from '../src/errors/reason.ts'

/** Where tests name a reason; each of these tests fails unless its reason was really told. */
const places: readonly (readonly [folder: string, pattern: RegExp])[] = [
  ['test/scenario', /^itEndsIn\(\s*'(\w+)'/gm],
  ['test/conformance/kernel/scenarios', /^ {4}says: '(\w+)'/gm],
]

function listTestedReasons(): string[] {
  return places.flatMap(([folder, pattern]) => {
    const texts = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
    return texts.flatMap((text) => [...text.matchAll(pattern)].map(([, reason = '']) => reason))
  })
}

it('has a test in the sandbox for each reason of the closed sets, and none for another', () => {
  expect([...new Set(listTestedReasons())].sort()).toEqual([...reportReasons, ...operatorReasons].sort())
})

it('counts no reason in both sets', () => {
  expect(reportReasons.filter((reason) => operatorReasons.some((other) => other === (reason as string)))).toEqual([])
})
