import type { Environment } from '@marcbachmann/cel-js'
import type { StructuralSchema } from '../../../api/schema/schema.ts'

const reservedNames = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
)
const escapes: Readonly<Record<string, string>> = { '.': '__dot__', '-': '__dash__', '/': '__slash__' }

/** A property's name as rules write it; undefined when a rule cannot reach it. */
export function escapeCelName(name: string): string | undefined {
  if (reservedNames.has(name)) return `__${name}__`
  const escaped = name.replaceAll('__', '__underscores__').replaceAll(/[./-]/g, (sign) => escapes[sign] ?? sign)
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(escaped) ? escaped : undefined
}

const scalarTypes: Readonly<Record<string, string>> = { integer: 'int', number: 'double', boolean: 'bool' }
const stringTypes: Readonly<Record<string, string>> = {
  'date-time': 'google.protobuf.Timestamp',
  duration: 'google.protobuf.Duration',
  byte: 'bytes',
}

/** Names one CEL type for each object schema and registers it with an environment. */
export class CelTypes {
  readonly #environment: Environment
  #count = 0

  constructor(environment: Environment) {
    this.#environment = environment
  }

  /** The CEL type of the values of a schema, registered together with all types inside it. */
  nameOf(schema: StructuralSchema): string {
    if (schema['x-kubernetes-int-or-string'] === true) return 'dyn'
    switch (schema.type) {
      case 'string':
        return stringTypes[schema.format ?? ''] ?? 'string'
      case 'array':
        return `list<${schema.items === undefined ? 'dyn' : this.nameOf(schema.items)}>`
      case 'object':
        return this.#nameObject(schema)
      default:
        return scalarTypes[schema.type ?? ''] ?? 'dyn'
    }
  }

  #nameObject(schema: StructuralSchema): string {
    const { additionalProperties } = schema
    if (typeof additionalProperties === 'object') return `map<string, ${this.nameOf(additionalProperties)}>`
    if (schema.properties === undefined) return 'map<string, dyn>'
    const fields: Record<string, string> = {}
    for (const [name, property] of Object.entries(schema.properties)) {
      const escaped = escapeCelName(name)
      if (escaped !== undefined) fields[escaped] = this.nameOf(property)
    }
    this.#count += 1
    const type = `Object${this.#count}`
    this.#environment.registerType(type, { fields })
    this.#environment.registerOperator(`${type} == ${type}`, () => false)
    return type
  }
}

/** The schema of a resource's root as rules see it: with its kind, and of its metadata the names alone. */
export function withObjectMeta(schema: StructuralSchema): StructuralSchema {
  const string: StructuralSchema = { type: 'string' }
  const metadata: StructuralSchema = { type: 'object', properties: { name: string, generateName: string } }
  return { ...schema, properties: { ...schema.properties, apiVersion: string, kind: string, metadata } }
}
