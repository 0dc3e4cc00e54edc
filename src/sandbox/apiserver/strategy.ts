import type { Resource } from '../../kube/resource.ts'
import { sameJson, type ApiObject } from './object.ts'

/** The options of a delete that the store acts on. */
export interface DeleteRequest {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  preconditions?: { uid?: string; resourceVersion?: string }
}

/**
 * What a kind does on its way into the store. All functions get a private copy that they change in place; `old` is the
 * stored object.
 */
export interface Strategy {
  /** Which writes raise `metadata.generation`: any change outside metadata and status, or none. */
  generation: 'spec' | 'none'
  /** Whether an update without resourceVersion is allowed. */
  unconditionalUpdate: boolean
  /** Whether PUT on an absent name creates it. */
  createOnUpdate: boolean
  prepareForCreate(object: ApiObject): void
  prepareForUpdate(object: ApiObject, old: ApiObject): void
  /** Present where the kind has a status subresource. */
  prepareForStatusUpdate?: (object: ApiObject, old: ApiObject) => void
  /** Seconds to wait for the kubelet; undefined for kinds that go at once. */
  gracePeriod?: (object: ApiObject, request: DeleteRequest) => number | undefined
  /** True while something other than `metadata.finalizers` holds the object (a namespace's `spec.finalizers`). */
  held?: (object: ApiObject) => boolean
  /** Marks the object as going, besides its deletionTimestamp (a namespace's phase). */
  prepareForDelete?: (object: ApiObject) => void
}

/** A kind that the store keeps, with what it does on the way in. */
export interface StoredResource extends Resource {
  strategy: Strategy
}

/** Everything of an object that its generation counts: all but identity, metadata and status. */
export function sameDesire(a: ApiObject, b: ApiObject): boolean {
  return sameJson(desireOf(a), desireOf(b))
}

function desireOf(object: ApiObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, status: _status, ...desire } = object
  return desire
}

const keepStatus = (object: ApiObject, old: ApiObject): void => {
  if (old['status'] === undefined) delete object['status']
  else object['status'] = old['status']
}

/** Replaces everything of `object` but its status by what is stored. */
export function keepAllButStatus(object: ApiObject, old: ApiObject): void {
  const status = object['status']
  for (const field of Object.keys(object)) if (field !== 'metadata') delete object[field]
  for (const [field, value] of Object.entries(old)) if (field !== 'metadata') object[field] = value
  if (status === undefined) delete object['status']
  else object['status'] = status
}

const nothing = (): void => {}

/** A kind without status subresource and generation, such as a Secret. */
export const plainStrategy: Strategy = {
  generation: 'none',
  unconditionalUpdate: true,
  createOnUpdate: false,
  prepareForCreate: nothing,
  prepareForUpdate: nothing,
}

/** A built-in kind with a status subresource, whose status cannot be set by other writes. */
export const statusStrategy: Strategy = {
  generation: 'spec',
  unconditionalUpdate: true,
  createOnUpdate: false,
  prepareForCreate: (object) => {
    delete object['status']
  },
  prepareForUpdate: keepStatus,
  prepareForStatusUpdate: keepAllButStatus,
}

/** A custom resource; a status update changes nothing but the status, not even labels. */
export function customStrategy(hasStatus: boolean): Strategy {
  if (!hasStatus) return { ...plainStrategy, generation: 'spec', unconditionalUpdate: false }
  return {
    ...statusStrategy,
    unconditionalUpdate: false,
    prepareForStatusUpdate: (object, old) => {
      keepAllButStatus(object, old)
      const { resourceVersion } = object.metadata
      object.metadata = { ...old.metadata }
      if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion
    },
  }
}
