import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  boolean,
  type Infer,
  imported,
  integer,
  list,
  map,
  object,
  oneOf,
  optional,
  redescribe,
  string,
  strings,
  time,
  word,
} from './builder.ts'

const inner = object({ flag: optional(boolean('A flag.')) }, 'An inner object.')
const outer = object({
  name: string('A name.', { pattern: '^a' }),
  count: optional(integer('A count.', { format: 'int32' })),
  tags: map(string()),
  items: optional(list(inner, 'Items.', { maxItems: 3, keys: ['flag'] })),
  args: strings('Arguments.', { minItems: 1 }),
  kind: oneOf(['A', 'B']),
  phase: word(['X', 'Y'], 'A phase.'),
  at: time(),
  raw: optional(imported<{ a: 1 }>({ type: 'object' }), 'Something else.'),
})

describe('the schema builder', () => {
  it('gives values the type that their schema says', () => {
    expectTypeOf<Infer<typeof outer>>().toEqualTypeOf<{
      name: string
      count?: number
      tags: Record<string, string>
      items?: { flag?: boolean }[]
      args: string[]
      kind: 'A' | 'B'
      phase: 'X' | 'Y'
      at: string
      raw?: { a: 1 }
    }>()
  })

  it('writes structural schemas, with fields in alphabetical order', () => {
    expect(outer.schema).toEqual({
      type: 'object',
      required: ['args', 'at', 'kind', 'name', 'phase', 'tags'],
      properties: {
        args: { description: 'Arguments.', type: 'array', items: { type: 'string' }, minItems: 1 },
        at: { type: 'string', format: 'date-time' },
        count: { description: 'A count.', type: 'integer', format: 'int32' },
        items: {
          description: 'Items.',
          type: 'array',
          items: {
            description: 'An inner object.',
            type: 'object',
            properties: { flag: { description: 'A flag.', type: 'boolean' } },
          },
          maxItems: 3,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['flag'],
        },
        kind: { type: 'string', enum: ['A', 'B'] },
        name: { description: 'A name.', type: 'string', pattern: '^a' },
        phase: { description: 'A phase. One of X, Y.', type: 'string' },
        raw: { description: 'Something else.', type: 'object' },
        tags: { type: 'object', additionalProperties: { type: 'string' } },
      },
    })
    const names = Object.keys(outer.schema.properties ?? {})
    expect(names).toEqual([...names].sort())
  })

  it('leaves a schema that is used in several places as it is', () => {
    expect(redescribe(inner, 'Another.').schema.description).toBe('Another.')
    expect(inner.schema.description).toBe('An inner object.')
  })
})
