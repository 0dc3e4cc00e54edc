import type { Resource } from '../../kube/resource.ts'
import type { ApiObject } from './object.ts'
import type { StatusCause } from './status-error.ts'

/** A structural schema as a CustomResourceDefinition carries it; any keyword may be present. */
export type OpenApiSchema = Record<string, unknown>

/** A kind as the API serves it in one version. */
export interface ApiResource extends Resource {
  singular: string
  shortNames: readonly string[]
  categories: readonly string[]
  /** True for a kind that a CustomResourceDefinition declares. */
  custom: boolean
  /** Only for custom kinds: `spec.versions[].schema.openAPIV3Schema` of this version. */
  schema?: OpenApiSchema
  /** Whether `…/status` is served. */
  hasStatus: boolean
  /** Only custom kinds of several versions: the other ones that are served. */
  equivalents?: readonly Equivalent[]
  /** Other subresources that are served: `log`, `binding`, `eviction`, `finalize`, … */
  subresources: readonly string[]
}

/** Another version of the same objects. */
export interface Equivalent {
  resource: ApiResource
  /** Turns an object of this version into that one; a webhook may be asked for it. */
  convert(object: ApiObject): Promise<ApiObject>
}

/** Who asks. */
export interface User {
  name: string
  uid?: string
  groups: readonly string[]
}

/** What a write does to an object, in the words of admission. */
export type Operation = 'CREATE' | 'UPDATE' | 'DELETE'

/** A write on its way into the store. */
export interface WriteRequest {
  operation: Operation
  resource: ApiResource
  /** `status`, `binding`, `eviction`, `finalize`; absent for the object itself. */
  subresource?: string
  /** Absent for cluster-scoped kinds. */
  namespace?: string
  /** The object's final name, generated names included. */
  name: string
  /** What is to be stored: mutating plugins change it in place. Absent on DELETE. */
  object?: ApiObject
  /** What is stored now; frozen. Absent on CREATE. */
  oldObject?: ApiObject
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions as the client gave them. */
  options: Readonly<Record<string, unknown>>
  user: User
  userAgent: string
  dryRun: boolean
  /** Adds a `Warning` header to the answer. */
  warn(message: string): void
}

/**
 * One admission plugin. The order of a write is: `Validator.prepare` (prune and default) → mutating plugins in order →
 * `Validator.prepare` again if there were any → the kind's strategy (status kept apart, immutable metadata restored) →
 * `Validator.validate` → validating plugins in order → store. A plugin that answers at once (not a promise) runs in the
 * same tick as the store's write, so validating plugins that must not race (quota) come last and stay synchronous.
 */
export interface AdmissionPlugin {
  readonly name: string
  readonly phase: 'mutating' | 'validating'
  /** Throws a StatusError (see status-error.ts: `forbidden`, `invalid`, …) to refuse. */
  admit(request: WriteRequest): void | Promise<void>
}

/** What `prepare` found. */
export interface Prepared {
  /** Paths of fields that the schema does not know, such as `spec.foo`: for `fieldValidation`. */
  unknownFields: readonly string[]
}

/**
 * Prunes, defaults and validates objects. The API server itself checks everything below `metadata` (names, labels,
 * annotations, finalizers, owner references, immutable fields) and does what strategies do (a new pod's status, a
 * namespace's finalizer); see strategy.ts and built-in-strategies.ts.
 */
export interface Validator {
  /** Prunes unknown fields and fills defaults in place, also of kinds that are built in (a pod's restartPolicy). */
  prepare(resource: ApiResource, object: ApiObject): Prepared
  /** Everything wrong with the object; empty when it may be stored. Schema, CEL rules and built-in rules. */
  validate(request: ValidationRequest): readonly StatusCause[]
}

/** A write to validate: `oldObject` is present on update, for transition rules and immutable fields. */
export interface ValidationRequest {
  resource: ApiResource
  subresource?: string
  object: ApiObject
  oldObject?: ApiObject
}

/** A validator that accepts everything as it is. */
export const acceptAll: Validator = {
  prepare: () => ({ unknownFields: [] }),
  validate: () => [],
}
