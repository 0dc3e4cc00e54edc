import type { KubeObject, ObjectKey } from './object.ts'

/** What a cache tells its listeners: an addition has no `before`, a removal has no `after`. */
export interface Change<T> {
  key: string
  before?: T
  after?: T
}

/**
 * A local copy of all objects of one kind (or those that a label selector picks), kept by list and watch, trimmed on
 * arrival from `Raw` to `T`. Objects are frozen; a change that leaves the trimmed object equal wakes nobody.
 */
export interface Cache<Raw extends KubeObject, T> {
  get(key: ObjectKey): T | undefined
  list(): readonly T[]
  /** The objects that the index filed under `value`. Throws when the index was not declared. */
  byIndex(index: string, value: string): readonly T[]
  /** True once the first list is complete. */
  readonly synced: boolean
  onChange(listener: (change: Change<T>) => void): void
  /**
   * Feeds the answer of our own write, so that the next pass sees it before the watch delivers it. An answer older than
   * what the cache holds (by resourceVersion) is ignored, and so is a watch event older than a fed answer.
   */
  written(object: Raw): void
  /**
   * Notes that we deleted the object with this uid: it is gone here at once unless it is waiting for finalizers.
   * `remaining` is what `delete` of the client answered: an object that terminates slowly stays, marked as deleted.
   */
  deleted(key: ObjectKey, uid: string | undefined, remaining?: Raw): void
}
