import type { Json, StructuralSchema } from '../../../api/schema/schema.ts'
import { applySchema } from '../../../api/schema/structural.ts'
import { apiVersionOf, type Resource } from '../../../kube/resource.ts'
import { type ApiObject, isRecord } from '../object.ts'
import { badRequest } from '../status-error.ts'
import type { Pod } from '../admission/pod-shape.ts'
import { refuseBadQuantities } from './pod-fields.ts'
import { type BuiltInDefinition, builtInDefinitions, builtInRoots } from './built-in.generated.ts'
import { staticDefaults } from './built-in-defaults.ts'

/** Types whose JSON form the document does not tell. */
const specials: Readonly<Record<string, StructuralSchema>> = {
  'api.resource.Quantity': { 'x-kubernetes-int-or-string': true },
  'util.intstr.IntOrString': { 'x-kubernetes-int-or-string': true },
}

const anything: StructuralSchema = { 'x-kubernetes-preserve-unknown-fields': true }

function isFree(definition: BuiltInDefinition): boolean {
  const { type, properties, additionalProperties } = definition
  return type === undefined ? properties === undefined : type === 'object' && !properties && !additionalProperties
}

/** Builds the schemas of the built-in kinds: what a client may send and what is filled in, not what is valid. */
export class BuiltInSchemas {
  readonly #linked = new Map<string, StructuralSchema>()

  /** The schema of a built-in kind; undefined for a kind that the document does not have. */
  find(resource: Pick<Resource, 'group' | 'version' | 'kind'>): StructuralSchema | undefined {
    const name = builtInRoots[`${resource.group}/${resource.version}/${resource.kind}`]
    return name === undefined ? undefined : this.#link(name)
  }

  #link(name: string): StructuralSchema {
    const special = specials[name] ?? this.#linked.get(name)
    if (special !== undefined) return special
    const definition = builtInDefinitions[name]
    if (definition === undefined || isFree(definition)) return anything
    // Kept before its fields are built, because some types contain themselves.
    const schema: StructuralSchema = {}
    this.#linked.set(name, schema)
    return Object.assign(schema, this.#build(definition, name))
  }

  #build(definition: BuiltInDefinition, owner = ''): StructuralSchema {
    if (definition.$ref !== undefined) return this.#link(definition.$ref)
    if (isFree(definition)) return anything
    const { type, format, items, additionalProperties, properties } = definition
    return {
      ...(type === undefined ? {} : { type: type as 'object' }),
      ...(format === undefined ? {} : { format }),
      ...(items === undefined ? {} : { items: this.#build(items) }),
      ...(additionalProperties === undefined ? {} : { additionalProperties: this.#build(additionalProperties) }),
      ...(properties === undefined ? {} : { properties: this.#buildProperties(properties, owner) }),
    }
  }

  #buildProperties(properties: Record<string, BuiltInDefinition>, owner: string): Record<string, StructuralSchema> {
    const entries = Object.entries(properties).map(([name, property]): [string, StructuralSchema] => {
      const value: Json | undefined = staticDefaults[`${owner}.${name}`]
      const schema = this.#build(property)
      return [name, value === undefined ? schema : { ...schema, default: value }]
    })
    return Object.fromEntries(entries)
  }
}

const typeError = /must be of type ([a-z,-]+): "(.*)"$/s
const goTypes: Readonly<Record<string, string>> = { boolean: 'bool', integer: 'number' }

function explain(field: string, message: string): string {
  const [, expected, actual = ''] = typeError.exec(message) ?? []
  if (expected === 'date-time')
    return `parsing time ${JSON.stringify(actual)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(actual)} as "2006"`
  if (expected === undefined) return `${field}: ${message}`
  return `json: cannot unmarshal ${goTypes[actual] ?? actual} into Go struct field ${field} of type ${expected}`
}

function findBadBase64(object: ApiObject): string | undefined {
  const field = { Secret: 'data', ConfigMap: 'binaryData' }[object.kind]
  const values = field === undefined ? undefined : object[field]
  const texts = isRecord(values) ? Object.values(values).map(String) : []
  return texts.find((text) => Buffer.from(text, 'base64').toString('base64') !== text.replaceAll(/\s/g, ''))
}

/** Where base64 ends to be any. */
function findBadByte(text: string): number {
  const index = text.search(/[^A-Za-z0-9+/=\r\n]/)
  return index < 0 ? text.length : index
}

/** An object as the server reads it, and the paths of what it did not know. */
export interface Decoded {
  value: ApiObject
  unknownFields: readonly string[]
}

/** Reads an object by the schema of its kind: unknown fields and nulls dropped, defaults filled in; wrong types are a 400. */
export function decodeBuiltIn(schema: StructuralSchema, resource: Resource, object: ApiObject): Decoded {
  const { value, errors, unknownFields } = applySchema(schema, object, { prune: true, default: true })
  const [error] = errors
  const refuse = (why: string): never => {
    const { kind, version } = resource
    throw badRequest(`${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`)
  }
  if (error !== undefined) refuse(explain(error.field, error.message))
  const bad = findBadBase64(value)
  if (bad !== undefined) refuse(`illegal base64 data at input byte ${findBadByte(bad)}`)
  if (resource.kind === 'Pod') refuseBadQuantities((value as Pod).spec, resource.kind, resource.version)
  return { value: { ...value, apiVersion: apiVersionOf(resource) }, unknownFields }
}
