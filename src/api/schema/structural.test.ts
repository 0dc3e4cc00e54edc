import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatFieldError } from './field-error.ts'
import { cloneJson } from './json.ts'
import type { Json, StructuralSchema } from './schema.ts'
import { applySchema, findUnsupportedKeywords } from './structural.ts'

const all = { prune: true, default: true, root: false }
const messages = (schema: StructuralSchema, value: Json): string[] =>
  applySchema(schema, value, { root: false }).errors.map(formatFieldError)

const object = (properties: Record<string, StructuralSchema>, rest: StructuralSchema = {}): StructuralSchema => ({
  type: 'object',
  properties,
  ...rest,
})

describe('defaulting', () => {
  const schema = object({
    plain: { type: 'string', default: 'd' },
    nullable: { type: 'string', default: 'd', nullable: true },
    bare: { type: 'string' },
    nested: object({ list: { type: 'array', items: { type: 'string', default: 'i' } } }, { default: {} }),
    outer: object({ inner: { type: 'integer', default: 3 } }),
    free: { type: 'object', additionalProperties: object({ x: { type: 'integer', default: 1 } }) },
  })
  const settle = (value: Json): Json => applySchema(schema, value, all).value

  it('fills what is absent, also below a default', () => {
    expect(settle({})).toEqual({ plain: 'd', nullable: 'd', nested: {} })
    expect(settle({ outer: {} })).toMatchObject({ outer: { inner: 3 } })
    expect(settle({ free: { a: {}, b: { x: 2 } } })).toMatchObject({ free: { a: { x: 1 }, b: { x: 2 } } })
  })

  it('puts a default in the place of a null, and drops one where there is none', () => {
    expect(settle({ plain: null, bare: null, outer: null, free: { a: null } })).toEqual({
      plain: 'd',
      nullable: 'd',
      nested: {},
      free: {},
    })
  })

  it('keeps a null that the schema allows', () => {
    expect(settle({ nullable: null })).toMatchObject({ nullable: null })
  })

  it('keeps empty strings and zeros', () => {
    expect(settle({ plain: '', outer: { inner: 0 } })).toMatchObject({ plain: '', outer: { inner: 0 } })
  })

  it('replaces a null in a list by its default, and refuses one without', () => {
    expect(settle({ nested: { list: [null, 'a'] } })).toMatchObject({ nested: { list: ['i', 'a'] } })
    const list: StructuralSchema = { type: 'array', items: { type: 'string' } }
    expect(applySchema(object({ list }), { list: [null] }, all).errors.map(formatFieldError)).toEqual([
      'list[0]: Invalid value: "null": list[0] in body must be of type string: "null"',
    ])
  })

  it('gives each place a default of its own', () => {
    const value = settle({}) as { nested: Record<string, Json> }
    value.nested.list = ['changed']
    expect(settle({})).toEqual({ plain: 'd', nullable: 'd', nested: {} })
  })
})

describe('pruning', () => {
  const schema = object({
    known: { type: 'string' },
    list: { type: 'array', items: object({ known: { type: 'string' } }) },
    map: { type: 'object', additionalProperties: object({ known: { type: 'string' } }) },
    open: object({ known: object({}) }, { 'x-kubernetes-preserve-unknown-fields': true }),
    embedded: { type: 'object', 'x-kubernetes-embedded-resource': true, properties: { spec: { type: 'object' } } },
  })

  it('drops unknown fields at any depth, and tells their paths', () => {
    const value = { a: 1, list: [{ b: 1 }, { known: 'x' }], map: { k: { c: 1, known: 'y' } } }
    expect(applySchema(schema, value, all)).toEqual({
      value: { list: [{}, { known: 'x' }], map: { k: { known: 'y' } } },
      errors: [],
      unknownFields: ['a', 'list[0].b', 'map.k.c'],
    })
  })

  it('tells the paths of unknown fields that it keeps', () => {
    const { value, unknownFields } = applySchema(schema, { a: 1 }, { root: false })
    expect({ value, unknownFields }).toEqual({ value: { a: 1 }, unknownFields: ['a'] })
  })

  it('keeps unknown fields where the schema says so, but prunes known ones below', () => {
    const value = { open: { anything: { x: 1 }, known: { y: 1 } } }
    expect(applySchema(schema, value, all)).toMatchObject({
      value: { open: { anything: { x: 1 }, known: {} } },
      unknownFields: ['open.known.y'],
    })
  })

  it('leaves apiVersion, kind and metadata of a whole object alone, and of an embedded one', () => {
    const whole = { apiVersion: 'v1', kind: 'K', metadata: { name: 'x', labels: { a: 'b' } } }
    const value = { ...whole, embedded: { ...whole, spec: {}, status: {} } }
    expect(applySchema(schema, value, { prune: true })).toMatchObject({
      value: { ...whole, embedded: { ...whole, spec: {} } },
      unknownFields: ['embedded.status'],
    })
  })

  it('is not fooled by names that every object inherits', () => {
    const value: Json = JSON.parse('{"constructor": 1, "__proto__": {"known": "x"}, "toString": {}}')
    expect(applySchema(schema, value, all)).toEqual({
      value: {},
      errors: [],
      unknownFields: ['constructor', '__proto__', 'toString'],
    })
  })
})

const quantity: StructuralSchema = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  pattern: '^[0-9]+m?$',
  'x-kubernetes-int-or-string': true,
}

const refused: [string, StructuralSchema, Json, string[]][] = [
  ['an object without what it needs', { type: 'object', required: ['a'] }, {}, ['a: Required value']],
  ['too small a number', { type: 'integer', minimum: 1 }, 0, ['greater than or equal to 1']],
  ['too large a number', { type: 'number', maximum: 1 }, 1.5, ['less than or equal to 1']],
  ['too short a string', { type: 'string', minLength: 1 }, '', ['should be at least 1 chars long']],
  ['too long a string', { type: 'string', maxLength: 1 }, '🦀🦀', ['Too long: may not be more than 1 bytes']],
  ['a pattern not found', { type: 'string', pattern: '^a$' }, 'b', ["should match '^a$'"]],
  ['too few properties', { type: 'object', minProperties: 1 }, {}, ['should have at least 1 properties']],
  ['too many properties', { type: 'object', maxProperties: 0 }, { a: 1 }, ['Too many: 1: must have at most 0 items']],
  [
    'a twice listed item of a set',
    { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    ['a', 'b', 'a'],
    ['[2]: Duplicate value: "a"'],
  ],
  ['a fraction', { type: 'integer' }, 1.5, ['must be of type integer: "number"', '(default format)']],
  ['a fraction with a format', { type: 'integer', format: 'int64' }, 1.5, ['type int64: "float64"', 'format int64']],
  ['neither integer nor string', quantity, true, ['(anyOf)', 'type integer: "boolean"', 'type integer,string']],
  ['a quantity that is none', quantity, '1x', ["should match '^[0-9]+m?$'"]],
]

const accepted: [string, StructuralSchema, Json][] = [
  ['an integer for a number', { type: 'number' }, 1],
  ['a null that is allowed', { type: 'string', nullable: true, enum: ['a'] }, null],
  ['any type where none is asked for', {}, [1, 'a', null]],
  ['a quantity as a number', quantity, 5],
  ['a quantity as a string', quantity, '5m'],
  ['a character of two units as one', { type: 'string', maxLength: 1 }, '🦀'],
  ['a pattern that is found inside', { type: 'string', pattern: 'b' }, 'abc'],
  ['a leap second-free time with an offset', { type: 'string', format: 'date-time' }, '2026-11-20t10:00:00.5+01:00'],
  ['the greatest int32', { type: 'integer', format: 'int32' }, 2 ** 31 - 1],
  ['the least int32', { type: 'integer', format: 'int32' }, -(2 ** 31)],
]

describe('validation', () => {
  it.each(refused)('refuses %s', (_title, schema, value, parts) => {
    const found = messages(schema, value)
    expect(found).toHaveLength(parts.length)
    for (const [index, part] of parts.entries()) expect(found[index]).toContain(part)
  })

  it.each(accepted)('accepts %s', (_title, schema, value) => {
    expect(messages(schema, value)).toEqual([])
  })

  it('refuses a pattern that would take a backtracking engine for ever, at once', () => {
    expect(messages({ type: 'string', pattern: '^(a+)+$' }, `${'a'.repeat(5000)}b`)).toHaveLength(1)
  })

  it.each([
    '2026-13-01T00:00:00Z',
    '2026-02-31T00:00:00Z',
    '2026-11-20 10:00:00Z',
    '2026-11-20T10:00:00',
    '2026-11-20T24:00:00Z',
    '20261120',
  ])('refuses %s as a time', (text) => {
    expect(messages({ type: 'string', format: 'date-time' }, text)).toHaveLength(1)
  })
})

describe('findUnsupportedKeywords', () => {
  it('names what the walker would not check, and where', () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'array', items: { oneOf: [] } },
        b: { type: 'string', format: 'ipv4' },
        c: { type: 'object', additionalProperties: true },
        d: { type: 'object', additionalProperties: { anyOf: [] } },
        e: quantity,
      },
    } as unknown as StructuralSchema
    expect(findUnsupportedKeywords(schema)).toEqual([
      'oneOf at .a[*]',
      'format ipv4 at .b',
      'additionalProperties: true at .c',
      'anyOf at .d.*',
    ])
  })
})

/** A schema and a value that it accepts. */
interface Sample {
  schema: StructuralSchema
  value: Json
}

const names = fc.constantFrom('a', 'b', 'c', 'constructor', '__proto__')

function toObject(fields: [string, Sample, { present: boolean; required: boolean }][]): Sample {
  const properties = Object.fromEntries(fields.map(([name, { schema }]) => [name, schema]))
  const required = fields.filter(([, , flags]) => flags.required).map(([name]) => name)
  const value = Object.fromEntries(
    fields.filter(([, , flags]) => flags.present || flags.required).map(([name, sample]) => [name, sample.value]),
  )
  return { schema: { type: 'object', properties, required }, value }
}

const { sample } = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      schema: fc.constantFrom<StructuralSchema>({ type: 'string' }, { type: 'string', default: 'x', nullable: true }),
      value: fc.string(),
    }),
    fc.record({
      schema: fc.constantFrom<StructuralSchema>({ type: 'integer' }, { type: 'integer', default: 1 }),
      value: fc.integer(),
    }),
    fc.record({ schema: fc.constant<StructuralSchema>({ type: 'boolean' }), value: fc.boolean() }),
    tie('sample').map(({ schema, value }): Sample => ({ schema: { type: 'array', items: schema }, value: [value] })),
    fc.tuple(names, tie('sample')).map(
      ([key, { schema, value }]): Sample => ({
        schema: { type: 'object', additionalProperties: schema },
        value: Object.fromEntries([[key, value]]),
      }),
    ),
    fc
      .uniqueArray(fc.tuple(names, tie('sample'), fc.record({ present: fc.boolean(), required: fc.boolean() })), {
        maxLength: 4,
        selector: ([name]) => name,
      })
      .map(toObject),
  ),
}))

/** Adds an unknown field to every object that has only named fields, and tells how many. */
function addUnknown(value: Json, schema: StructuralSchema): number {
  if (value === null || typeof value !== 'object') return 0
  const entries: [string, Json][] = Object.entries(value)
  const named = new Map(Object.entries(schema.properties ?? {}))
  const free = schema.additionalProperties ?? schema.items ?? {}
  let count = 0
  for (const [key, item] of entries) count += addUnknown(item, named.get(key) ?? free)
  if (Array.isArray(value) || schema.properties === undefined) return count
  value.surprise = { deep: [1] }
  return count + 1
}

/** True when `whole` has all that `part` has, at the same places. */
function contains(whole: Json, part: Json): boolean {
  if (part === null || typeof part !== 'object') return whole === part
  if (whole === null || typeof whole !== 'object' || Array.isArray(whole) !== Array.isArray(part)) return false
  const inside = new Map<string, Json>(Object.entries(whole))
  return Object.entries(part).every(
    ([key, item]: [string, Json]) => inside.has(key) && contains(inside.get(key)!, item),
  )
}

describe('applySchema, whatever schema and value', () => {
  it('accepts a valid value, keeps all of it, and adds nothing but defaults', () => {
    fc.assert(
      fc.property(sample, ({ schema, value }) => {
        const applied = applySchema(schema, value, all)
        expect(applied.errors).toEqual([])
        expect(applied.unknownFields).toEqual([])
        expect(contains(applied.value, value)).toBe(true)
        expect(applySchema(schema, value, { prune: true, root: false }).value).toEqual(value)
      }),
    )
  })

  it('prunes what is unknown and nothing that is known', () => {
    fc.assert(
      fc.property(sample, ({ schema, value }) => {
        const dirty = cloneJson(value)
        const count = addUnknown(dirty, schema)
        const pruned = applySchema(schema, dirty, { prune: true, root: false })
        expect(pruned.value).toEqual(value)
        expect(pruned.unknownFields).toHaveLength(count)
      }),
    )
  })

  it('comes to an end after one pass, and never changes what it is given', () => {
    fc.assert(
      fc.property(sample, fc.jsonValue() as fc.Arbitrary<Json>, fc.boolean(), ({ schema }, anything, root) => {
        const before = JSON.stringify(anything)
        const once = applySchema(schema, anything, { prune: true, default: true, root })
        const twice = applySchema(schema, once.value, { prune: true, default: true, root })
        expect(twice).toEqual({ value: once.value, errors: once.errors, unknownFields: [] })
        expect(JSON.stringify(anything)).toBe(before)
      }),
    )
  })
})
