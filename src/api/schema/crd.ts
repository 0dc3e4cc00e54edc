import { object, type Schema } from './builder.ts'
import type { StructuralSchema } from './schema.ts'

/** A column of `kubectl get`; one with priority 1 appears with `-o wide` alone. */
export interface PrinterColumn {
  name: string
  type: 'string' | 'integer' | 'date' | 'boolean'
  jsonPath: string
  description?: string
  priority?: number
}

/** One version of a custom resource. */
export interface VersionDefinition {
  name: string
  served: boolean
  storage: boolean
  deprecated?: boolean
  schema: { openAPIV3Schema: StructuralSchema }
  subresources: { status: Record<string, never> }
  additionalPrinterColumns?: PrinterColumn[]
}

/** How the API server turns one version of a resource into another. */
export type Conversion =
  | { strategy: 'None' }
  | {
      strategy: 'Webhook'
      webhook: {
        clientConfig: { service: { name: string; namespace: string; path: string } }
        conversionReviewVersions: string[]
      }
    }

/** A CustomResourceDefinition as it is applied to a cluster. */
export interface CustomResourceDefinition {
  apiVersion: 'apiextensions.k8s.io/v1'
  kind: 'CustomResourceDefinition'
  metadata: { name: string; annotations?: Record<string, string> }
  spec: {
    group: string
    names: { kind: string; listKind: string; plural: string; singular: string; shortNames?: string[] }
    scope: 'Namespaced' | 'Cluster'
    versions: VersionDefinition[]
    conversion?: Conversion
  }
}

/** What tells one resource from another. */
export interface CrdOptions {
  group: string
  kind: string
  plural: string
  namespaced: boolean
  shortNames?: string[]
  annotations?: Record<string, string>
  conversion?: Conversion
  versions: VersionDefinition[]
}

/** What a version holds besides the usual. */
export interface VersionOptions {
  name: string
  storage: boolean
  deprecated?: boolean
  columns: PrinterColumn[]
}

const rootProperties: Record<string, StructuralSchema> = {
  apiVersion: { description: 'Group and version of the resource.', type: 'string' },
  kind: { description: 'Kind of the resource.', type: 'string' },
  metadata: { type: 'object' },
}

/** A version of a resource whose objects have these fields besides apiVersion, kind and metadata. */
export function defineVersion(
  options: VersionOptions,
  fields: Record<string, Schema<unknown>>,
  description: string,
): VersionDefinition {
  const { name, storage, deprecated, columns } = options
  const { schema } = object(fields, description)
  return {
    name,
    served: true,
    storage,
    ...(deprecated === true ? { deprecated } : {}),
    additionalPrinterColumns: columns,
    schema: { openAPIV3Schema: { ...schema, properties: { ...rootProperties, ...schema.properties } } },
    subresources: { status: {} },
  }
}

/** The CustomResourceDefinition of a resource. */
export function defineCrd(options: CrdOptions): CustomResourceDefinition {
  const { group, kind, plural, namespaced, shortNames, annotations, conversion, versions } = options
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(shortNames === undefined ? {} : { shortNames }),
      },
      scope: namespaced ? 'Namespaced' : 'Cluster',
      versions,
      ...(conversion === undefined ? {} : { conversion }),
    },
  }
}
