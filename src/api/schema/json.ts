import type { Json, StructuralSchema } from './schema.ts'

export type JsonObject = { [key: string]: Json }

/** True for an object, false for null, lists and scalars. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A deep copy; keys such as `__proto__` stay ordinary keys. */
export function cloneJson<T extends Json>(value: T): T
export function cloneJson(value: Json): Json {
  if (Array.isArray(value)) return value.map((item) => cloneJson(item))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, cloneJson(item)]))
}

/** The schema of a property by its name alone, never one that an object inherits. */
export function propertyOf(schema: StructuralSchema, name: string): StructuralSchema | undefined {
  const { properties } = schema
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
}

/** The schema of whatever stands under `name` in an object: its property's, or that of all free keys. */
export function memberOf(schema: StructuralSchema, name: string): StructuralSchema | undefined {
  return propertyOf(schema, name) ?? schema.additionalProperties
}

/** `spec` below nothing is `spec`, below `a` it is `a.spec`. */
export const joinPath = (path: string, name: string): string => (path === '' ? name : `${path}.${name}`)
