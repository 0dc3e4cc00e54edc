import type { OpenApiSchema } from './hooks.ts'
import { isRecord, type ApiObject } from './object.ts'
import type { ServedResource } from './registry.ts'
import { customColumns, type PrinterColumn } from './table/custom.ts'
import { notImitated } from './status-error.ts'

/** `spec.versions[]` of a CustomResourceDefinition. */
export interface DefinitionVersion {
  name: string
  served: boolean
  storage: boolean
  deprecated?: boolean
  schema?: { openAPIV3Schema?: OpenApiSchema }
  subresources?: { status?: object; scale?: object }
  additionalPrinterColumns?: PrinterColumn[]
  selectableFields?: { jsonPath: string }[]
}

/** `spec.names` of a CustomResourceDefinition. */
export interface DefinitionNames {
  plural: string
  kind: string
  singular?: string
  listKind?: string
  shortNames?: string[]
  categories?: string[]
}

/** A condition of a CustomResourceDefinition. */
export interface DefinitionCondition {
  type: string
  status: 'True' | 'False'
  reason: string
  message: string
  lastTransitionTime: string
}

/** A CustomResourceDefinition, as far as the server acts on it. */
export interface Definition extends ApiObject {
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: DefinitionNames
    versions: DefinitionVersion[]
    conversion?: { strategy?: string }
  }
  status?: { conditions?: DefinitionCondition[]; acceptedNames?: DefinitionNames; storedVersions?: string[] }
}

/** The object as a definition, when it has the parts that one cannot do without. */
export function asDefinition(object: ApiObject): Definition | undefined {
  const { spec } = object
  if (!isRecord(spec) || !isRecord(spec['names']) || !Array.isArray(spec['versions'])) return undefined
  const { plural, kind } = spec['names']
  const complete = typeof spec['group'] === 'string' && typeof plural === 'string' && typeof kind === 'string'
  return complete ? (object as Definition) : undefined
}

/** Turns objects into another version: by their apiVersion alone, unless a webhook is to do it, which the sandbox does not ask. */
const withVersion =
  (apiVersion: string, { spec }: Definition) =>
  (object: ApiObject): ApiObject => {
    if (object.apiVersion === apiVersion) return object
    if (spec.conversion?.strategy === 'Webhook')
      throw notImitated(`the conversion of ${object.apiVersion} to ${apiVersion} by a webhook`)
    return { ...object, apiVersion }
  }

/** One version of a definition as the server serves it. */
export function toServed(definition: Definition, version: DefinitionVersion): ServedResource {
  const { group, names, scope, versions } = definition.spec
  const stored = versions.find((each) => each.storage) ?? version
  return {
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    namespaced: scope === 'Namespaced',
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    custom: true,
    schema: version.schema?.openAPIV3Schema ?? {},
    hasStatus: version.subresources?.status !== undefined,
    subresources: [],
    storage: { group, plural: names.plural },
    preferred: version === preferredVersion(definition),
    columns: customColumns(version.additionalPrinterColumns ?? []),
    selectableFields: (version.selectableFields ?? []).map((field) => field.jsonPath),
    terminating: definition.metadata.deletionTimestamp !== undefined,
    fromStored: withVersion(`${group}/${version.name}`, definition),
    toStored: withVersion(`${group}/${stored.name}`, definition),
  }
}

/** The served version that Kubernetes prefers: stable before beta before alpha, then the higher number. */
function preferredVersion(definition: Definition): DefinitionVersion | undefined {
  return definition.spec.versions.filter((version) => version.served).sort((a, b) => compareVersions(a.name, b.name))[0]
}

/** Orders API versions, the preferred first: v2, v1, v1beta2, v1beta1, v1alpha1, anything else by name. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rankVersion(a), rankVersion(b)]
  if (!left || !right) return left ? -1 : right ? 1 : a < b ? -1 : 1
  return right.stage - left.stage || right.major - left.major || right.minor - left.minor
}

function rankVersion(name: string): { stage: number; major: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name)
  if (!match) return undefined
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0
  return { stage, major: Number(match[1]), minor: Number(match[3] ?? 0) }
}
