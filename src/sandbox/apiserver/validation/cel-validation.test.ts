import { describe, expect, it } from 'vitest'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import type { CelRule } from './cel-rule.ts'
import { compileCelRules, validateCelRules } from './cel-validation.ts'
import { formatFieldError } from './field-error.ts'

const text: StructuralSchema = { type: 'string' }

function specWith(...rules: CelRule[]): StructuralSchema {
  const item: StructuralSchema = { type: 'object', properties: { name: text, size: { type: 'integer' } } }
  return {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        properties: {
          dra: { type: 'object', properties: { driverName: text } },
          devicePlugin: { type: 'object', properties: { name: text } },
          namespace: text,
          'dashed-name': text,
          count: { type: 'integer' },
          ratio: { type: 'number' },
          port: { 'x-kubernetes-int-or-string': true },
          since: { type: 'string', format: 'date-time' },
          items: {
            type: 'array',
            items: item,
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
          },
          labels: { type: 'object', additionalProperties: text },
        },
        'x-kubernetes-validations': rules,
      },
    },
  }
}

function run(rule: CelRule | string, spec: unknown, oldSpec?: unknown): string[] {
  const validator = compileCelRules(specWith(typeof rule === 'string' ? { rule } : rule))
  if (validator === undefined) throw new Error('the schema has rules')
  const errors = validateCelRules(validator, { spec }, oldSpec === undefined ? undefined : { spec: oldSpec })
  return errors.map(formatFieldError)
}

const exclusive: CelRule = {
  rule: '!(has(self.dra) && has(self.devicePlugin))',
  message: 'spec.dra and spec.devicePlugin are mutually exclusive',
}

describe('the rules of a CRD', () => {
  it('refuse an object in the words of the server', () => {
    expect(run(exclusive, { dra: {}, devicePlugin: {} })).toEqual([
      'spec: Invalid value: spec.dra and spec.devicePlugin are mutually exclusive',
    ])
    expect(run(exclusive, { dra: {} })).toEqual([])
  })

  it('name the failed rule when it has no message', () => {
    expect(run('self.count > 3', { count: 3 })).toEqual(['spec: Invalid value: failed rule: self.count > 3'])
  })

  it.each<[rule: string, spec: unknown]>([
    ['self.count == 3', { count: 3 }],
    ['self.ratio > 0.5 && self.ratio < 1.5', { ratio: 1 }],
    ['self.__namespace__ == "x"', { namespace: 'x' }],
    ['self.dashed__dash__name == "x"', { 'dashed-name': 'x' }],
    ['self.port == 80', { port: 80 }],
    ['self.port == "http"', { port: 'http' }],
    [
      'self.items.all(x, x.name.startsWith("a")) && self.items.exists_one(x, x.size == 2)',
      {
        items: [
          { name: 'a', size: 2 },
          { name: 'ab', size: 1 },
        ],
      },
    ],
    [
      'self.items.map(x, x.size).sum() == 3',
      {
        items: [
          { name: 'a', size: 2 },
          { name: 'b', size: 1 },
        ],
      },
    ],
    [
      'self.items.map(x, x.size).isSorted() == false',
      {
        items: [
          { name: 'a', size: 2 },
          { name: 'b', size: 1 },
        ],
      },
    ],
    ['"k" in self.labels && self.labels["k"] == "v" && size(self.labels) == 1', { labels: { k: 'v' } }],
    ['self.?dra.?driverName.orValue("none") == "none"', {}],
    ['self.since < timestamp("2030-01-01T00:00:00Z")', { since: '2026-01-01T00:00:00Z' }],
    ['self.__namespace__.matches("^a+$")', { namespace: 'aaa' }],
    ['!self.__namespace__.matches("(a+)+$")', { namespace: `${'a'.repeat(40)}!` }],
    ['self.__namespace__.find("[0-9]+") == "12"', { namespace: 'a12b3' }],
    ['self.dra == self.dra', { dra: { driverName: 'x' } }],
    ['!has(self.labels.constructor)', { labels: {} }],
  ])('hold: %s', (rule, spec) => {
    expect(run(rule, spec)).toEqual([])
  })

  it('see the stored object as oldSelf on update alone', () => {
    const rule = { rule: 'self.count >= oldSelf.count', message: 'count must not shrink' }
    expect(run(rule, { count: 1 })).toEqual([])
    expect(run(rule, { count: 1 }, { count: 2 })).toEqual(['spec: Invalid value: count must not shrink'])
  })

  it('see an optional oldSelf on creation when they ask for it', () => {
    const rule = { rule: 'oldSelf.hasValue() || self.count == 1', message: 'starts at one', optionalOldSelf: true }
    expect(run(rule, { count: 2 })).toEqual(['spec: Invalid value: starts at one'])
    expect(run(rule, { count: 2 }, { count: 1 })).toEqual([])
  })

  it('may compute their message, choose their reason and point at a field', () => {
    const rule = {
      rule: 'self.count < 3',
      messageExpression: '"count is " + string(self.count)',
      reason: 'FieldValueForbidden',
      fieldPath: '.count',
    }
    expect(run(rule, { count: 5 })).toEqual(['spec.count: Forbidden: count is 5'])
  })

  it('report what goes wrong while they run', () => {
    expect(run('self.dra.driverName == "x"', { dra: {} })).toEqual([
      'spec: Invalid value: "object": no such key: driverName evaluating rule: self.dra.driverName == "x"',
    ])
  })

  it('match items of a list-map with the item of the same key', () => {
    const schema = specWith()
    const items = schema.properties?.spec?.properties?.items?.items
    if (items === undefined) throw new Error('the schema has items')
    items['x-kubernetes-validations'] = [{ rule: 'self.size >= oldSelf.size', message: 'size must not shrink' }]
    const validator = compileCelRules(schema)
    if (validator === undefined) throw new Error('the schema has rules')
    const now = {
      spec: {
        items: [
          { name: 'b', size: 1 },
          { name: 'a', size: 9 },
        ],
      },
    }
    const before = {
      spec: {
        items: [
          { name: 'a', size: 5 },
          { name: 'b', size: 2 },
        ],
      },
    }
    expect(validateCelRules(validator, now, before).map(formatFieldError)).toEqual([
      'spec.items[0]: Invalid value: size must not shrink',
    ])
  })

  it('are refused before they run when they would take too many steps', () => {
    const rule = 'self.items.all(a, self.items.all(b, self.items.all(c, a.size + b.size + c.size >= 0)))'
    const items = Array.from({ length: 150 }, (_, index) => ({ name: `n${index}`, size: 1 }))
    expect(run(rule, { items })).toEqual([
      `spec: Invalid value: "object": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: ${rule}`,
    ])
  })
})

describe('a rule that does not compile', () => {
  const errorOf = (rule: string): string | undefined =>
    compileCelRules(specWith({ rule }))?.properties.get('spec')?.rules[0]?.error

  it.each([
    [
      'has(self.draa)',
      "compilation failed: ERROR: <input>:1:10: undefined field 'draa'\n | has(self.draa)\n | .........^",
    ],
    [
      'other.count == 1',
      "compilation failed: ERROR: <input>:1:1: undeclared reference to 'other' (in container '')\n | other.count == 1\n | ^",
    ],
    ['self.count', 'cel expression must evaluate to a bool'],
    ['self.__namespace__.matches("[")', 'program instantiation failed: error parsing regexp: missing closing ]: `[`'],
  ])('%s is explained', (rule, expected) => {
    expect(errorOf(rule)).toBe(expected)
  })

  it.each(['self.(', 'self.count + "a" == "b"', 'self.count == 2.0', 'self.__namespace__.nope()'])(
    '%s is refused',
    (rule) => {
      expect(errorOf(rule)).toMatch(/^compilation failed: ERROR: <input>:1:/)
    },
  )
})
