import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type Definitions, renderCoreTypes } from './core-schemas.ts'

const reference = (name: string) => ({ allOf: [{ $ref: `#/components/schemas/${name}` }], default: {} })

const definitions: Definitions = {
  'x.v1.Outer': {
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string', default: '' },
      mode: { type: 'string', default: 'a}b' },
      size: reference('io.k8s.apimachinery.pkg.api.resource.Quantity'),
      inner: reference('x.v1.ABCInner'),
      list: {
        type: 'array',
        items: reference('x.v1.ABCInner'),
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['key'],
      },
      free: { type: 'object', additionalProperties: { type: 'integer', format: 'int32', default: 0 } },
    },
  },
  'x.v1.ABCInner': {
    type: 'object',
    required: ['key'],
    properties: { key: { type: 'string', default: '' } },
    'x-kubernetes-map-type': 'atomic',
  },
  'x.v1.Unused': { type: 'object' },
  'io.k8s.apimachinery.pkg.api.resource.Quantity': { type: 'string' },
}

describe('renderCoreTypes', () => {
  const text = renderCoreTypes(definitions, ['x.v1.Outer'])

  it('writes a type for each definition that is referred to, what is referred to first', () => {
    const names = [...text.matchAll(/export (?:interface|type) (\w+)/g)].map((match) => match[1])
    expect(names).toEqual(['Quantity', 'ABCInner', 'Outer'])
    expect(text).toContain('  free?: Record<string, number>\n  inner?: ABCInner\n  list?: ABCInner[]\n')
    expect(text).toContain('  name: string\n')
  })

  it('exports the schemas of the roots alone', () => {
    expect([...text.matchAll(/export const (\w+)/g)].map((match) => match[1])).toEqual(['outerSchema'])
    expect(text).toContain('const abcInnerSchema')
  })

  it('keeps a default of an optional field, and drops the zero values that the document gives to required ones', () => {
    expect(text).toContain('mode: { type: "string", default: "a}b" }')
    expect(text.match(/default:/g)).toHaveLength(1)
  })

  it('keeps the keys of keyed lists', () => {
    expect(text).toContain(`'x-kubernetes-list-type': "map", 'x-kubernetes-list-map-keys': ["key"]`)
  })

  it('says which definition is missing', () => {
    expect(() => renderCoreTypes({}, ['x.v1.Outer'])).toThrow('has no x.v1.Outer')
  })
})

describe('the committed core types', () => {
  const text = readFileSync('src/api/core.generated.ts', 'utf8')

  it('hold no prose', () => {
    expect(text).not.toContain('description')
  })
})
