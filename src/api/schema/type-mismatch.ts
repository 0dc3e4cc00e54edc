import { type FieldError, noneOfError, rangeError, typeError } from './field-error.ts'
import type { Json, StructuralSchema } from './schema.ts'

/** The type of a value as the server names it in messages. */
function nameType(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

const isOfType = (actual: string, type: string): boolean =>
  actual === type || (type === 'number' && actual === 'integer')

// Where a schema has a format, the server compares with that, and then shows the value's type in its own terms. It takes
// a list for a date-time string; here that is refused.
function formatMismatch(actual: string, type: string, format: string, path: string): FieldError[] {
  if (actual === 'boolean' || actual === 'object') return [typeError(path, format, '')]
  if (actual === 'integer') return [typeError(path, format, 'int64')]
  if (actual !== 'number') return [typeError(path, type, actual)]
  const error = typeError(path, format, 'float64')
  return type === 'integer' ? [error, rangeError(path, type, format)] : [error]
}

function plainMismatch(actual: string, type: string, path: string): FieldError[] {
  const error = typeError(path, type, actual)
  return type === 'integer' && actual === 'number' ? [error, rangeError(path, type, undefined)] : [error]
}

function intOrStringMismatch(actual: string, schema: StructuralSchema, path: string): FieldError[] {
  const mismatch = typeError(path, 'integer,string', actual)
  return schema.anyOf === undefined
    ? [mismatch]
    : [noneOfError(path), ...plainMismatch(actual, 'integer', path), mismatch]
}

/** What the server says of a value of another type than the schema's; empty when the type is right. */
export function findTypeErrors(value: Json, schema: StructuralSchema, path: string): FieldError[] {
  const { type, format, nullable } = schema
  const actual = nameType(value)
  if (actual === 'null' && nullable === true) return []
  if (schema['x-kubernetes-int-or-string'] === true)
    return actual === 'integer' || actual === 'string' ? [] : intOrStringMismatch(actual, schema, path)
  if (type === undefined || isOfType(actual, type)) return []
  return format === undefined ? plainMismatch(actual, type, path) : formatMismatch(actual, type, format, path)
}
