import type { KubeObject, ObjectKey } from './object.ts'
import type { Resource } from './resource.ts'

export interface ListOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  /** Page size; the answer's `continue` fetches the next page. */
  limit?: number
  continueToken?: string
  resourceVersion?: string
  signal?: AbortSignal
}

export interface ListAnswer<T> {
  items: T[]
  resourceVersion: string
  continueToken?: string
}

export interface WatchOptions {
  namespace?: string
  labelSelector?: string
  fieldSelector?: string
  resourceVersion: string
  /** The server ends the watch after this time. */
  timeoutSeconds?: number
  signal: AbortSignal
  /** Called when the server has accepted the watch, long before the first event perhaps. */
  onOpen?: () => void
}

/** One line of a watch. An ERROR line is thrown as a KmmError instead (410 Gone: code `Expired`). */
export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string }

/** A patch and its content type. A merge body with `metadata.resourceVersion` is refused with `Conflict` when stale. */
export type Patch =
  | { type: 'merge'; body: unknown }
  | { type: 'json'; body: readonly unknown[] }
  | { type: 'strategic'; body: unknown }

export interface WriteOptions {
  subresource?: 'status'
  signal?: AbortSignal
}

export interface DeleteOptions {
  preconditions?: { uid?: string; resourceVersion?: string }
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  gracePeriodSeconds?: number
  signal?: AbortSignal
}

/**
 * Talks to one Kubernetes API server. Every failure is a KmmError whose code is NotFound, AlreadyExists, Conflict,
 * Forbidden, Unauthorized, Invalid, Expired, TooManyRequests, ServerError, Unreachable, TimedOut or Aborted.
 */
export interface KubeClient {
  get<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, signal?: AbortSignal): Promise<T>
  list<T extends KubeObject>(resource: Resource<T>, options?: ListOptions): Promise<ListAnswer<T>>
  watch<T extends KubeObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>
  create<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  /** PUT. */
  replace<T extends KubeObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<T>
  patch<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, patch: Patch, options?: WriteOptions): Promise<T>
  /** Answers what is left of an object that still waits for finalizers or its grace period; undefined when it is gone. */
  delete<T extends KubeObject>(resource: Resource<T>, key: ObjectKey, options?: DeleteOptions): Promise<T | undefined>
  /** Text of a GET on any path, such as `/version` or `…/pods/x/log?container=y`; `accept` asks for a form of it. */
  getRaw(path: string, signal?: AbortSignal, accept?: string): Promise<string>
}
