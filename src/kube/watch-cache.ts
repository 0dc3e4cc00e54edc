import { KmmError } from '../errors/error.ts'
import type { Cache, Change } from './cache.ts'
import { createCacheState } from './cache-state.ts'
import type { KubeClient } from './client.ts'
import { type Clock, realClock } from './clock.ts'
import type { Indexes } from './indexed-store.ts'
import { parseLabelSelector } from './label-selector.ts'
import { runListWatch } from './list-watch.ts'
import { formatKey, type KubeObject } from './object.ts'
import type { Resource } from './resource.ts'

/** What a cache holds and how it is kept. */
export interface WatchCacheOptions<Raw extends KubeObject, T> {
  client: KubeClient
  resource: Resource<Raw>
  /** Makes the object that is kept; the raw one is forgotten. Must not change it. */
  trim: (object: Raw) => T
  namespace?: string
  labelSelector?: string
  indexes?: Indexes<T>
  clock?: Clock
  random?: () => number
  /** Told of failed lists and watches, of objects that cannot be trimmed and of listeners that throw; nothing stops. */
  onError: (error: unknown) => void
}

/** A Cache that keeps itself up to date from `start` to `stop`. */
export interface WatchCache<Raw extends KubeObject, T> extends Cache<Raw, T> {
  /** The plural name of its kind. */
  readonly name: string
  /** Since when the API server has not answered (epoch); undefined while it does. */
  readonly disconnectedSinceMs: number | undefined
  start(): void
  /** Ends list and watch; what the cache holds stays readable. */
  stop(): Promise<void>
  /** Resolves when the first list is complete; rejects with `Aborted` when the cache is stopped before. */
  whenSynced(): Promise<void>
}

/** Hands changes to listeners in the order in which they happened, also when a listener causes the next. */
function createAnnouncer<T>(onError: (error: unknown) => void) {
  const listeners: ((change: Change<T>) => void)[] = []
  const pending: Change<T>[] = []
  let isRunning = false
  const announce = (change: Change<T>): void => {
    for (const listener of listeners) {
      try {
        listener(change)
      } catch (error) {
        onError(error)
      }
    }
  }
  return {
    listeners,
    notify: (changes: readonly Change<T>[]): void => {
      for (const change of changes) pending.push(Object.freeze(change))
      if (isRunning) return
      isRunning = true
      // The list grows while it is read when a listener writes.
      for (const change of pending) announce(change)
      pending.length = 0
      isRunning = false
    },
  }
}

/** Resolved or rejected from outside, once. */
function createLatch(): { promise: Promise<void>; open: () => void; fail: (error: Error) => void } {
  let open = (): void => undefined
  let fail: (error: Error) => void = () => undefined
  const promise = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  // Nobody has to wait.
  promise.catch(() => undefined)
  return { promise, open, fail }
}

function createSelection<Raw extends KubeObject>(namespace = '', labelSelector = ''): (object: Raw) => boolean {
  const matches = parseLabelSelector(labelSelector)
  return ({ metadata }) => (namespace === '' || metadata?.namespace === namespace) && matches(metadata?.labels ?? {})
}

/** An empty cache; `start` fills it. */
export function createWatchCache<Raw extends KubeObject, T>(options: WatchCacheOptions<Raw, T>): WatchCache<Raw, T> {
  const { client, resource, trim, namespace, labelSelector, indexes = {}, onError } = options
  const { clock = realClock, random = Math.random } = options
  const announcer = createAnnouncer<T>(onError)
  const selects = createSelection<Raw>(namespace, labelSelector)
  const state = createCacheState<Raw, T>({ trim, indexes, selects, clock, notify: announcer.notify, onError })
  const stopping = new AbortController()
  const latch = createLatch()
  let running: Promise<void> | undefined
  let synced = false
  let disconnectedSinceMs: number | undefined

  const beginList: typeof state.beginList = () => {
    const list = state.beginList()
    const commit = (resourceVersion: string): void => {
      // Before the listeners hear of the first objects: who asks them finds the cache complete.
      synced = true
      list.commit(resourceVersion)
      latch.open()
    }
    return { ...list, commit }
  }
  const setConnected = (connected: boolean): void => {
    disconnectedSinceMs = connected ? undefined : (disconnectedSinceMs ?? clock.now())
  }
  const sink = {
    beginList,
    applyEvent: (...event: Parameters<typeof state.applyEvent>) => state.applyEvent(...event),
    setConnected,
  }

  return {
    name: resource.plural,
    get: (key) => state.store.get(formatKey(key))?.object,
    list: () => state.store.list(),
    byIndex: (index, value) => state.store.byIndex(index, value),
    get synced() {
      return synced
    },
    get disconnectedSinceMs() {
      return disconnectedSinceMs
    },
    onChange: (listener) => void announcer.listeners.push(listener),
    written: (object) => state.written(object),
    deleted: (key, uid, remaining) => state.deleted(key, uid, remaining),
    start: () => {
      running ??= runListWatch(
        { client, resource, namespace, labelSelector, sink, clock, random, onError },
        stopping.signal,
      )
    },
    stop: async () => {
      stopping.abort()
      await running
      if (!synced) latch.fail(new KmmError(`the cache of ${resource.plural} was stopped`, { code: 'Aborted' }))
    },
    whenSynced: () => latch.promise,
  }
}
