import { RE2JS } from 're2js'
import {
  duplicateError,
  type FieldError,
  invalidError,
  keylessError,
  notSupportedError,
  rangeError,
  requiredError,
  tooLongError,
  tooManyError,
  typeError,
} from './field-error.ts'
import { isJsonObject, type JsonObject, joinPath, memberOf } from './json.ts'
import type { Json, StructuralSchema } from './schema.ts'
import { findTypeErrors } from './type-mismatch.ts'

type Check = (value: Json, schema: StructuralSchema, path: string) => FieldError[]

const dateTime = /^(\d{4}-\d{2}-\d{2})t(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:z|[+-]\d{2}:\d{2})$/i

// Date.parse takes 31 February for a day in March.
const isDay = (text: string): boolean => {
  const time = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text)
}

function isDateTime(text: string): boolean {
  const day = dateTime.exec(text)?.[1]
  return day !== undefined && isDay(day)
}

const checkString: Check = (value, schema, path) => {
  if (typeof value !== 'string') return []
  const errors: FieldError[] = []
  const length = Array.from(value).length
  if (schema.maxLength !== undefined && length > schema.maxLength) errors.push(tooLongError(path, schema.maxLength))
  if (schema.minLength !== undefined && length < schema.minLength)
    errors.push(invalidError(path, value, `should be at least ${schema.minLength} chars long`))
  if (schema.pattern !== undefined && !RE2JS.compile(schema.pattern).matcher(value).find())
    errors.push(invalidError(path, value, `should match '${schema.pattern}'`))
  if (schema.format === 'date-time' && !isDateTime(value)) errors.push(typeError(path, 'date-time', value))
  return errors
}

const bounds: Readonly<Record<string, number>> = { int32: 2 ** 31, int64: 2 ** 63 }

function fits(value: number, format: string): boolean {
  const bound = bounds[format] ?? Number.POSITIVE_INFINITY
  return value >= -bound && value < bound
}

const checkNumber: Check = (value, schema, path) => {
  if (typeof value !== 'number') return []
  const errors: FieldError[] = []
  const { minimum, maximum, format } = schema
  if (format !== undefined && !fits(value, format)) errors.push(rangeError(path, schema.type ?? 'number', format))
  if (minimum !== undefined && value < minimum)
    errors.push(invalidError(path, value, `should be greater than or equal to ${minimum}`))
  if (maximum !== undefined && value > maximum)
    errors.push(invalidError(path, value, `should be less than or equal to ${maximum}`))
  return errors
}

const checkEnum: Check = (value, schema, path) => {
  if (schema.enum === undefined) return []
  const text = JSON.stringify(value)
  return schema.enum.some((each) => JSON.stringify(each) === text) ? [] : [notSupportedError(path, value, schema.enum)]
}

function keyOf(item: Json, schema: StructuralSchema): Json {
  const keys = schema['x-kubernetes-list-map-keys']
  if (schema['x-kubernetes-list-type'] === 'set' || keys === undefined) return item
  const object: JsonObject = isJsonObject(item) ? item : {}
  return Object.fromEntries([...keys].sort().flatMap((key) => (object[key] === undefined ? [] : [[key, object[key]]])))
}

function findDuplicates(list: readonly Json[], schema: StructuralSchema, path: string): FieldError[] {
  const marker = schema['x-kubernetes-list-type']
  if (marker !== 'map' && marker !== 'set') return []
  const seen = new Set<string>()
  return list.flatMap((item, index) => {
    if (marker === 'map' && !isJsonObject(item)) return item === null ? [] : [keylessError(`${path}[${index}]`, item)]
    const key = keyOf(item, schema)
    const text = JSON.stringify(key)
    if (seen.has(text)) return [duplicateError(`${path}[${index}]`, key)]
    seen.add(text)
    return []
  })
}

const checkList: Check = (value, schema, path) => {
  if (!Array.isArray(value)) return []
  const { items, minItems, maxItems } = schema
  const errors: FieldError[] = []
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooManyError(path, value.length, maxItems))
  if (minItems !== undefined && value.length < minItems)
    errors.push(invalidError(path, value.length, `should have at least ${minItems} items`))
  if (items) for (const [index, item] of value.entries()) errors.push(...checkValue(item, items, `${path}[${index}]`))
  return [...errors, ...findDuplicates(value, schema, path)]
}

const checkObject: Check = (value, schema, path) => {
  if (!isJsonObject(value)) return []
  const count = Object.keys(value).length
  const { minProperties, maxProperties } = schema
  const errors = (schema.required ?? [])
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => requiredError(joinPath(path, name)))
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooManyError(path, count, maxProperties))
  if (minProperties !== undefined && count < minProperties)
    errors.push(invalidError(path, count, `should have at least ${minProperties} properties`))
  for (const [name, field] of Object.entries(value)) {
    const member = memberOf(schema, name)
    if (member !== undefined) errors.push(...checkValue(field, member, joinPath(path, name)))
  }
  return errors
}

const checks: readonly Check[] = [checkString, checkNumber, checkEnum, checkList, checkObject]

function checkValue(value: Json, schema: StructuralSchema, path: string): FieldError[] {
  const mismatches = findTypeErrors(value, schema, path)
  if (value === null) return mismatches
  if (mismatches.length > 0) return [...mismatches, ...checkEnum(value, schema, path)]
  return checks.flatMap((check) => check(value, schema, path))
}

/** Everything in a value that the schema's keywords refuse; rules in the expression language are not evaluated here. */
export function validateStructure(value: Json, schema: StructuralSchema): FieldError[] {
  return checkValue(value, schema, '')
}
