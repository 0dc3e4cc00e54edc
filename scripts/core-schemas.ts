/** A definition of Kubernetes' OpenAPI document, version 3. */
export interface Definition {
  type?: string
  format?: string
  properties?: Record<string, Definition>
  required?: string[]
  items?: Definition
  additionalProperties?: Definition
  allOf?: Definition[]
  default?: unknown
  $ref?: string
  'x-kubernetes-list-type'?: string
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: string
}

export type Definitions = Record<string, Definition>

/** The types that KMM's resources name; what they refer to comes along. */
export const coreRoots = [
  'io.k8s.api.core.v1.LocalObjectReference',
  'io.k8s.api.core.v1.Toleration',
  'io.k8s.api.core.v1.Volume',
  'io.k8s.api.core.v1.VolumeMount',
  'io.k8s.api.core.v1.EnvVar',
  'io.k8s.api.core.v1.ResourceRequirements',
  'io.k8s.api.resource.v1.DeviceSelector',
  'io.k8s.api.resource.v1.DeviceClassConfiguration',
] as const

interface Special {
  type: string
  schema: object
}

const quantityNumber = String.raw`(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))`
const quantityPattern = `^(\\+|-)?${quantityNumber}(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?${quantityNumber}))?$`

/** Types that a resource definition spells differently from the document (upstream: as controller-gen writes them). */
const specials: Readonly<Record<string, Special>> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': {
    type: 'string | number',
    schema: {
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: quantityPattern,
      'x-kubernetes-int-or-string': true,
    },
  },
  'io.k8s.apimachinery.pkg.runtime.RawExtension': {
    type: 'Record<string, Json>',
    schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
  // Metadata inside another object is not expanded: its fields are pruned (upstream).
  'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta': { type: 'Record<string, Json>', schema: { type: 'object' } },
}

/** Defaults that the document has and upstream's definitions lack, because their marker refers to a constant. */
const withoutDefault: readonly string[] = ['AzureDiskVolumeSource.cachingMode', 'AzureDiskVolumeSource.kind']

const shortName = (name: string): string => name.slice(name.lastIndexOf('.') + 1)

const constantName = (name: string): string =>
  `${shortName(name).replace(/^(?:[A-Z]+(?=[A-Z][a-z])|[A-Z]+$|[A-Z])/, (start) => start.toLowerCase())}Schema`

function referenceOf(definition: Definition): string | undefined {
  const target = definition.$ref ?? definition.allOf?.[0]?.$ref
  return target?.slice(target.lastIndexOf('/') + 1)
}

function childrenOf(definition: Definition): Definition[] {
  const { items, additionalProperties, properties } = definition
  return [items, additionalProperties, ...Object.values(properties ?? {})].filter((child) => child !== undefined)
}

/** Lists the roots and all that they refer to, what is referred to first. */
function collectNames(definitions: Definitions, roots: readonly string[]): string[] {
  const names = new Set<string>()
  const visit = (definition: Definition): void => {
    const name = referenceOf(definition)
    if (name !== undefined) visitName(name)
    for (const child of childrenOf(definition)) visit(child)
  }
  const visitName = (name: string): void => {
    if (names.has(name)) return
    const definition = definitions[name]
    if (definition === undefined)
      throw new Error(`the OpenAPI document has no ${name}: is it Kubernetes 1.36 or later?`)
    if (specials[name] === undefined) visit(definition)
    names.add(name)
  }
  for (const root of roots) visitName(root)
  return [...names]
}

// The document gives every required field its zero value as a default; only the others are defaults in Kubernetes' sense.
function hasRealDefault(owner: string, field: string, parent: Definition): boolean {
  const value = parent.properties?.[field]?.default
  if (value === undefined || typeof value === 'object') return false
  return parent.required?.includes(field) !== true && !withoutDefault.includes(`${owner}.${field}`)
}

function renderSchema(definition: Definition, owner: string): string {
  const reference = referenceOf(definition)
  if (reference !== undefined) return constantName(reference)
  const parts = [`type: ${JSON.stringify(definition.type)}`]
  if (definition.format !== undefined) parts.push(`format: ${JSON.stringify(definition.format)}`)
  if (definition.properties !== undefined) parts.push(`properties: {${renderProperties(definition, owner)}\n}`)
  if (definition.required !== undefined) parts.push(`required: ${JSON.stringify([...definition.required].sort())}`)
  if (definition.items !== undefined) parts.push(`items: ${renderSchema(definition.items, owner)}`)
  if (definition.additionalProperties !== undefined)
    parts.push(`additionalProperties: ${renderSchema(definition.additionalProperties, owner)}`)
  for (const marker of ['x-kubernetes-list-type', 'x-kubernetes-list-map-keys', 'x-kubernetes-map-type'] as const)
    if (definition[marker] !== undefined) parts.push(`'${marker}': ${JSON.stringify(definition[marker])}`)
  return `{ ${parts.join(', ')} }`
}

function renderProperties(definition: Definition, owner: string): string {
  return Object.entries(definition.properties ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, value]) => {
      const schema = renderSchema(value, owner)
      const withDefault = hasRealDefault(owner, field, definition)
        ? schema.replace(/ }$/, `, default: ${JSON.stringify(value.default)} }`)
        : schema
      return `\n  ${field}: ${withDefault},`
    })
    .join('')
}

const scalarTypes: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'number',
  number: 'number',
  boolean: 'boolean',
}

function renderType(definition: Definition): string {
  const reference = referenceOf(definition)
  if (reference !== undefined) return shortName(reference)
  if (definition.items !== undefined) return `${renderType(definition.items)}[]`
  if (definition.additionalProperties !== undefined)
    return `Record<string, ${renderType(definition.additionalProperties)}>`
  const scalar = scalarTypes[definition.type ?? '']
  if (scalar === undefined) throw new Error(`cannot write a type for ${JSON.stringify(definition)}`)
  return scalar
}

function renderInterface(name: string, definition: Definition): string {
  const fields = Object.entries(definition.properties ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, value]) => {
      const mark = definition.required?.includes(field) === true ? '' : '?'
      return `  ${field}${mark}: ${renderType(value)}\n`
    })
  return `export interface ${shortName(name)} {\n${fields.join('')}}\n`
}

function renderDefinition(name: string, definition: Definition, isRoot: boolean): string {
  const special = specials[name]
  const type = special ? `export type ${shortName(name)} = ${special.type}\n` : renderInterface(name, definition)
  const schema = special ? JSON.stringify(special.schema) : renderSchema(definition, shortName(name))
  return `${type}${isRoot ? 'export ' : ''}const ${constantName(name)}: StructuralSchema = ${schema}\n`
}

/** The text of src/api/core.generated.ts: one type and one structural schema for each definition, without any prose. */
export function renderCoreTypes(definitions: Definitions, roots: readonly string[] = coreRoots): string {
  const names = collectNames(definitions, roots)
  const shortNames = new Set(names.map(shortName))
  if (shortNames.size !== names.length) throw new Error('two definitions have the same short name')
  const parts = names.map((name) => renderDefinition(name, definitions[name] ?? {}, roots.includes(name)))
  const header = `// Written by scripts/generate-core-schemas.ts from Kubernetes' OpenAPI document. Do not edit.
import type { Json, StructuralSchema } from './schema/schema.ts'
`
  return [header, ...parts].join('\n')
}
