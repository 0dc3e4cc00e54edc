import { evaluate } from '@marcbachmann/cel-js'
import type { StructuralSchema } from '../../../api/schema/schema.ts'
import { escapeCelName } from './cel-types.ts'

/** A JSON value as CEL works with it: whole numbers as bigints, objects as Maps with the names that rules use. */
export function toCelValue(value: unknown, schema: StructuralSchema | undefined): unknown {
  if (typeof value === 'string') return parseString(value, schema?.format)
  if (typeof value === 'number') return isWhole(value, schema) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map((item) => toCelValue(item, schema?.items))
  if (typeof value === 'object' && value !== null) return toCelMap(value, schema)
  return value
}

function isWhole(value: number, schema: StructuralSchema | undefined): boolean {
  return schema?.type !== 'number' && Number.isSafeInteger(value)
}

function parseString(text: string, format: string | undefined): unknown {
  if (format === 'date-time') return new Date(text)
  if (format === 'byte') return Buffer.from(text, 'base64')
  if (format === 'duration') return evaluate('duration(text)', { text })
  return text
}

function toCelMap(object: object, schema: StructuralSchema | undefined): Map<string, unknown> {
  const properties = schema?.properties ?? {}
  const entries = Object.entries(object).flatMap(([name, value]): [string, unknown][] => {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (property === undefined) return [[name, toCelValue(value, schema?.additionalProperties)]]
    const escaped = escapeCelName(name)
    return escaped === undefined ? [] : [[escaped, toCelValue(value, property)]]
  })
  return new Map(entries)
}
