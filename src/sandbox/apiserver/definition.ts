import { type Convert, createWebhookConversion } from './conversion/webhook-conversion.ts'
import type { ApiResource, OpenApiSchema } from './hooks.ts'
import { isRecord, type ApiObject } from './object.ts'
import type { ServedResource } from './registry.ts'
import { customColumns, type PrinterColumn } from './table/custom.ts'
import type { WebhookClientConfig } from './webhook-call.ts'

/** `spec.versions[]` of a CustomResourceDefinition. */
export interface DefinitionVersion {
  name: string
  served: boolean
  storage: boolean
  deprecated?: boolean
  deprecationWarning?: string
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

/** `spec.conversion` of a CustomResourceDefinition. */
export interface DefinitionConversion {
  strategy?: string
  webhook?: { clientConfig?: WebhookClientConfig; conversionReviewVersions?: string[] }
}

/** A CustomResourceDefinition, as far as the server acts on it. */
export interface Definition extends ApiObject {
  spec: {
    group: string
    scope: 'Namespaced' | 'Cluster'
    names: DefinitionNames
    versions: DefinitionVersion[]
    conversion?: DefinitionConversion
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

const withVersion =
  (apiVersion: string) =>
  (object: ApiObject): ApiObject =>
    object.apiVersion === apiVersion ? object : { ...object, apiVersion }

const same = (object: ApiObject): ApiObject => object

/** How a version relates to what is stored: its name alone differs, or a webhook is asked. */
function relate(
  { conversion, versions }: Definition['spec'],
  apiVersions: { served: string; stored: string },
  convert: Convert,
): Pick<ServedResource, 'fromStored' | 'toStored' | 'webhook'> {
  const { served, stored } = apiVersions
  if (conversion?.strategy !== 'Webhook') return { fromStored: withVersion(served), toStored: withVersion(stored) }
  return { fromStored: same, toStored: same, webhook: createWebhookConversion(convert, versions, apiVersions) }
}

/** One version of a kind, as clients are told of it. */
function describe({ spec }: Definition, version: DefinitionVersion): ApiResource {
  const { group, names, scope } = spec
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
  }
}

/** One version of a definition as the server serves it; `convert` turns its objects into another version. */
export function toServed(definition: Definition, version: DefinitionVersion, convert: Convert): ServedResource {
  const { group, names, versions } = definition.spec
  const stored = versions.find((each) => each.storage) ?? version
  const others = versions.filter((each) => each.served && each.name !== version.name)
  return {
    ...describe(definition, version),
    storage: { group, plural: names.plural },
    preferred: version === preferredVersion(definition),
    columns: customColumns(version.additionalPrinterColumns ?? []),
    selectableFields: (version.selectableFields ?? []).map((field) => field.jsonPath),
    terminating: definition.metadata.deletionTimestamp !== undefined,
    ...relate(definition.spec, { served: `${group}/${version.name}`, stored: `${group}/${stored.name}` }, convert),
    ...warnOfDeprecation(definition, version),
    equivalents: others.map((other) => ({
      resource: describe(definition, other),
      convert: (object) => convert(object, `${group}/${other.name}`),
    })),
  }
}

/** What clients of a deprecated version are told. */
function warnOfDeprecation(
  { spec }: Definition,
  { name, deprecated, deprecationWarning }: DefinitionVersion,
): Pick<ServedResource, 'deprecation'> {
  if (deprecated !== true) return {}
  const { group, names, versions } = spec
  const [better] = versions
    .filter((each) => each.served && each.deprecated !== true && compareVersions(each.name, name) < 0)
    .sort((a, b) => compareVersions(a.name, b.name))
  const advice = better === undefined ? '' : `; use ${group}/${better.name} ${names.kind}`
  return { deprecation: deprecationWarning ?? `${group}/${name} ${names.kind} is deprecated${advice}` }
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
