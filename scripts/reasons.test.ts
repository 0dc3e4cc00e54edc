import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { operatorReasons, reportReasons } from '../src/errors/reason.ts'

const folder = 'test/scenario'

/** The reasons in which tests of the sandbox end; each of these tests fails unless its reason was really told. */
function listTestedReasons(): string[] {
  const files = readdirSync(folder).filter((name) => name.endsWith('.test.ts'))
  const texts = files.map((name) => readFileSync(`${folder}/${name}`, 'utf8'))
  return texts.flatMap((text) => [...text.matchAll(/^itEndsIn\(\s*'(\w+)'/gm)].map(([, reason = '']) => reason))
}

it('has a test in the sandbox for each reason of the closed sets, and none for another', () => {
  expect([...new Set(listTestedReasons())].sort()).toEqual([...reportReasons, ...operatorReasons].sort())
})

it('counts no reason in both sets', () => {
  expect(reportReasons.filter((reason) => operatorReasons.some((other) => other === (reason as string)))).toEqual([])
})
