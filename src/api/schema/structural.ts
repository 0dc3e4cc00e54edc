import { applyDefaults } from './defaulting.ts'
import type { FieldError } from './field-error.ts'
import { cloneJson } from './json.ts'
import { pruneUnknown } from './prune.ts'
import type { Json, StructuralSchema } from './schema.ts'
import { validateStructure } from './validate.ts'

/** What to do with a value besides validating it. */
export interface ApplyOptions {
  /** Removes fields that the schema does not know. */
  prune?: boolean
  /** Fills in defaults, and drops nulls where the schema does not allow null. */
  default?: boolean
  /** The value is a whole object, whose apiVersion, kind and metadata are always left alone; true unless said otherwise. */
  root?: boolean
}

/** What became of a value. */
export interface Applied<T> {
  /** A copy; the value itself is never changed. */
  value: T
  errors: FieldError[]
  /** Paths of fields that the schema does not know, whether pruned or not: for strict field validation. */
  unknownFields: string[]
}

/** Does to a value what the API server does with a structural schema: prune, default, validate, in its words. */
export function applySchema<T>(schema: StructuralSchema, value: T, options: ApplyOptions): Applied<T>
export function applySchema(schema: StructuralSchema, value: Json, options: ApplyOptions): Applied<Json> {
  const copy = cloneJson(value)
  const unknownFields = pruneUnknown(copy, schema, { root: options.root ?? true, keep: options.prune !== true })
  if (options.default === true) applyDefaults(copy, schema)
  return { value: copy, errors: validateStructure(copy, schema), unknownFields }
}

const knownKeywords: ReadonlySet<string> = new Set([
  'additionalProperties',
  'anyOf',
  'default',
  'description',
  'enum',
  'example',
  'externalDocs',
  'format',
  'items',
  'maximum',
  'maxItems',
  'maxLength',
  'maxProperties',
  'minimum',
  'minItems',
  'minLength',
  'minProperties',
  'nullable',
  'pattern',
  'properties',
  'required',
  'title',
  'type',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-list-type',
  'x-kubernetes-map-type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-validations',
])

const knownFormats: ReadonlySet<string> = new Set(['date-time', 'int32', 'int64', 'float', 'double', 'password'])

function describeNode(schema: StructuralSchema, path: string): string[] {
  const found = Object.keys(schema)
    .filter((keyword) => !knownKeywords.has(keyword))
    .map((keyword) => `${keyword} at ${path}`)
  if (schema.anyOf !== undefined && schema['x-kubernetes-int-or-string'] !== true) found.push(`anyOf at ${path}`)
  if (schema.format !== undefined && !knownFormats.has(schema.format)) found.push(`format ${schema.format} at ${path}`)
  return found
}

/** What a schema asks for that `applySchema` does not do, as `oneOf at .spec.foo`; empty when it does all of it. */
export function findUnsupportedKeywords(schema: StructuralSchema, path = '.'): string[] {
  const join = (name: string): string => (path === '.' ? `.${name}` : `${path}.${name}`)
  const { items, additionalProperties } = schema
  // A bool is allowed by the API in place of a schema.
  const values = typeof additionalProperties === 'object' ? additionalProperties : undefined
  const found = describeNode(schema, path)
  if (additionalProperties !== undefined && values === undefined) found.push(`additionalProperties: true at ${path}`)
  if (values !== undefined) found.push(...findUnsupportedKeywords(values, join('*')))
  if (items !== undefined) found.push(...findUnsupportedKeywords(items, `${path}[*]`))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    found.push(...findUnsupportedKeywords(property, join(name)))
  return found
}
