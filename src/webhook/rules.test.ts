import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { admissionRules } from '../../test/admission/describe-rule.ts'

it('has the cases of every rule once', () => {
  const folder = 'src/webhook'
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'))
  const texts = names.map((name) => readFileSync(join(folder, name), 'utf8'))
  const described = texts.flatMap((each) => [...each.matchAll(/^describeRule\('([^']+)'/gm)].map(([, rule]) => rule))
  expect(described.map(String).toSorted()).toEqual(Object.keys(admissionRules).toSorted())
})
