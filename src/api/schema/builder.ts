import type { StructuralSchema, ValidationRule } from './schema.ts'

/** A structural schema together with the TypeScript type of its values; `shape` exists for the compiler only. */
export interface Schema<T> {
  readonly schema: StructuralSchema
  readonly shape?: T
}

/** A field that an object may lack. */
export interface OptionalSchema<T> extends Schema<T> {
  readonly optional: true
}

/** The TypeScript type of a schema's values. */
export type Infer<S extends Schema<unknown>> = S extends Schema<infer T> ? T : never

type Fields = Record<string, Schema<unknown>>
type OptionalNames<F extends Fields> = { [K in keyof F]: F[K] extends OptionalSchema<unknown> ? K : never }[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }
type ObjectOf<F extends Fields> = Flat<
  { [K in Exclude<keyof F, OptionalNames<F>>]: Infer<F[K]> } & { [K in OptionalNames<F>]?: Infer<F[K]> }
>

/** What a string may be. */
export interface StringLimits {
  pattern?: string
  default?: string
  format?: 'date-time'
}

function described(description: string, schema: StructuralSchema): StructuralSchema {
  return description === '' ? schema : { description, ...schema }
}

/** A string. */
export function string(description = '', limits: StringLimits = {}): Schema<string> {
  return { schema: described(description, { type: 'string', ...limits }) }
}

/** A string out of a closed set, which the API server enforces. */
export function oneOf<const T extends string>(values: readonly T[], description = ''): Schema<T> {
  return { schema: described(description, { type: 'string', enum: [...values] }) }
}

/** A string out of a set that later versions may extend: the API server accepts any. */
export function word<const T extends string>(values: readonly T[], description = ''): Schema<T> {
  const known = `One of ${values.join(', ')}.`
  return { schema: { description: description === '' ? known : `${description} ${known}`, type: 'string' } }
}

/** A point in time, RFC 3339. */
export function time(description = ''): Schema<string> {
  return string(description, { format: 'date-time' })
}

/** A whole number. */
export function integer(description = '', limits: { format?: 'int32' | 'int64' } = {}): Schema<number> {
  return { schema: described(description, { type: 'integer', ...limits }) }
}

export function boolean(description = ''): Schema<boolean> {
  return { schema: described(description, { type: 'boolean' }) }
}

/** How many items a list has, and how Kubernetes merges it. */
export interface ListLimits {
  minItems?: number
  maxItems?: number
  /** Makes the list a map keyed by these fields of its items, which are then unique. */
  keys?: string[]
}

/** A list of items of one shape. */
export function list<T>(item: Schema<T>, description = '', limits: ListLimits = {}): Schema<T[]> {
  const { keys, ...rest } = limits
  const markers: StructuralSchema =
    keys === undefined ? {} : { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': keys }
  return { schema: described(description, { type: 'array', items: item.schema, ...rest, ...markers }) }
}

/** An object with free keys and values of one shape. */
export function map<T>(value: Schema<T>, description = ''): Schema<Record<string, T>> {
  return { schema: described(description, { type: 'object', additionalProperties: value.schema }) }
}

const isOptional = (field: Schema<unknown>): boolean => 'optional' in field

/** An object with named fields; those not wrapped in `optional` are required. */
export function object<F extends Fields>(
  fields: F,
  description = '',
  validations: ValidationRule[] = [],
): Schema<ObjectOf<F>> {
  const names = Object.keys(fields).sort()
  const required = names.filter((name) => !isOptional(fields[name] ?? { schema: {} }))
  const properties = Object.fromEntries(names.map((name) => [name, fields[name]?.schema ?? {}]))
  return {
    schema: described(description, {
      type: 'object',
      properties,
      ...(required.length === 0 ? {} : { required }),
      ...(validations.length === 0 ? {} : { 'x-kubernetes-validations': validations }),
    }),
  }
}

/** Marks a field as one that may be absent, and says what it means in its place. */
export function optional<T>(schema: Schema<T>, description?: string): OptionalSchema<T> {
  return { schema: redescribe(schema, description).schema, optional: true }
}

/** The same schema with another description, for a shape that is used in several places. */
export function redescribe<T>(schema: Schema<T>, description: string | undefined): Schema<T> {
  return description === undefined ? schema : { schema: { ...schema.schema, description } }
}

/** A list of strings. */
export function strings(description = '', limits: ListLimits = {}): Schema<string[]> {
  return list(string(), description, limits)
}

/** A schema that was made elsewhere, with the type that describes its values. */
export function imported<T>(schema: StructuralSchema, description = ''): Schema<T> {
  return { schema: described(description, schema) }
}
