import type { Change } from './cache.ts'
import type { Clock } from './clock.ts'
import { createIndexedStore, type Entry, type Indexes, type IndexedStore } from './indexed-store.ts'
import { deepFreeze, isEqualJson } from './json.ts'
import { formatKey, isDeparting, keyOf, type KubeObject, type ObjectKey } from './object.ts'
import { isNotNewer, isOlder } from './resource-version.ts'
import { createTombstones, type Tombstones } from './tombstones.ts'

/** A list under way: its pages are trimmed as they come, and take the place of everything at once. */
export interface ListInProgress<Raw> {
  add(items: readonly Raw[]): void
  commit(resourceVersion: string): void
  abandon(): void
}

/** The contents of a cache, and the rules by which lists, watch events and our own writes change them. */
export interface CacheState<Raw extends KubeObject, T> {
  readonly store: IndexedStore<T>
  beginList(): ListInProgress<Raw>
  applyEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Raw): void
  written(object: Raw): void
  deleted(key: ObjectKey, uid: string | undefined, remaining: Raw | undefined): void
}

/** What a cache's state is made of. */
export interface CacheStateOptions<Raw extends KubeObject, T> {
  trim: (object: Raw) => T
  indexes: Indexes<T>
  /** Whether the list and watch would deliver this object. */
  selects: (object: Raw) => boolean
  clock: Clock
  /** Told of all changes of one step, after the step. */
  notify: (changes: readonly Change<T>[]) => void
  onError: (error: unknown) => void
}

interface Step<Raw extends KubeObject, T> extends CacheStateOptions<Raw, T> {
  store: IndexedStore<T>
  tombstones: Tombstones
  /** The keys that our own writes changed since the list under way began. */
  fed: Set<string> | undefined
  listedVersion: string
}

function versionOf(object: KubeObject): string {
  return object.metadata?.resourceVersion ?? ''
}

function uidOf(object: KubeObject): string {
  return object.metadata?.uid ?? ''
}

/** Trims an object; one that cannot be trimmed is reported, and what is known of it stays. */
function buildEntry<Raw extends KubeObject, T>(state: Step<Raw, T>, raw: Raw): Entry<T> | undefined {
  const key = keyOf(raw)
  const previous = state.store.get(key)
  try {
    const object = deepFreeze(state.trim(raw))
    // Indexes are computed here first, so that one that throws changes nothing.
    for (const valuesOf of Object.values(state.indexes)) valuesOf(object)
    return {
      key,
      uid: uidOf(raw),
      resourceVersion: versionOf(raw),
      held: (raw.metadata?.finalizers?.length ?? 0) > 0,
      object,
    }
  } catch (error) {
    state.onError(error)
    return previous
  }
}

/** Stores an entry; an object that says the same as before stays the same object, and nobody is told. */
function put<T>(store: IndexedStore<T>, entry: Entry<T>): Change<T>[] {
  const { key, object: after } = entry
  const previous = store.get(key)
  if (!previous) {
    store.set(entry)
    return [{ key, after }]
  }
  const isSame = isEqualJson(previous.object, after)
  store.set(isSame ? { ...entry, object: previous.object } : entry)
  return isSame ? [] : [{ key, before: previous.object, after }]
}

function remove<T>(store: IndexedStore<T>, key: string): Change<T>[] {
  const before = store.get(key)
  store.remove(key)
  return before ? [{ key, before: before.object }] : []
}

function applyObject<Raw extends KubeObject, T>(state: Step<Raw, T>, raw: Raw): Change<T>[] {
  const held = state.store.get(keyOf(raw))
  if ((held && isOlder(versionOf(raw), held.resourceVersion)) || state.tombstones.covers(raw)) return []
  const entry = buildEntry(state, raw)
  return entry ? put(state.store, entry) : []
}

/** The object left: deleted, or no longer selected. */
function applyRemoval<Raw extends KubeObject, T>(state: Step<Raw, T>, raw: Raw, deleted: boolean): Change<T>[] {
  const key = keyOf(raw)
  const held = state.store.get(key)
  state.tombstones.add(uidOf(raw), versionOf(raw), deleted)
  const isLate = isOlder(versionOf(raw), held?.resourceVersion ?? '') && !(deleted && held?.uid === uidOf(raw))
  return isLate ? [] : remove(state.store, key)
}

function applyWritten<Raw extends KubeObject, T>(state: Step<Raw, T>, raw: Raw): Change<T>[] {
  const key = keyOf(raw)
  state.fed?.add(key)
  if (isDeparting(raw)) return applyRemoval(state, raw, true)
  if (!state.selects(raw)) return state.store.get(key)?.uid === uidOf(raw) ? applyRemoval(state, raw, false) : []
  // The last list would have had it: it has been deleted since.
  if (!state.store.get(key) && isNotNewer(versionOf(raw), state.listedVersion)) return []
  return applyObject(state, raw)
}

function applyDeleted<Raw extends KubeObject, T>(
  state: Step<Raw, T>,
  key: string,
  deletedUid: string | undefined,
): Change<T>[] {
  const held = state.store.get(key)
  const uid = deletedUid ?? held?.uid ?? ''
  const isHeld = held?.uid === uid
  if (isHeld && held.held) return []
  state.fed?.add(key)
  state.tombstones.add(uid, isHeld ? held.resourceVersion : '', true)
  return isHeld ? remove(state.store, key) : []
}

/** True when we wrote the object after the server made the list (or its item) of this version. */
function isOurNews<Raw extends KubeObject, T>(state: Step<Raw, T>, key: string, listedVersion: string): boolean {
  const held = state.store.get(key)
  return held !== undefined && state.fed?.has(key) === true && isOlder(listedVersion, held.resourceVersion)
}

/** Puts a complete list in the place of everything, except our news. */
function applyList<Raw extends KubeObject, T>(
  state: Step<Raw, T>,
  staged: ReadonlyMap<string, Entry<T>>,
  resourceVersion: string,
): Change<T>[] {
  const gone = state.store.keys().filter((key) => !staged.has(key) && !isOurNews(state, key, resourceVersion))
  const present = [...staged.values()].filter((entry) => !isOurNews(state, entry.key, entry.resourceVersion))
  return [...gone.flatMap((key) => remove(state.store, key)), ...present.flatMap((entry) => put(state.store, entry))]
}

function beginList<Raw extends KubeObject, T>(state: Step<Raw, T>): ListInProgress<Raw> {
  const raws = new Map<string, { entry: Entry<T>; stub: KubeObject }>()
  const mark = state.tombstones.mark()
  state.fed = new Set()
  return {
    add: (items) => {
      for (const raw of items) {
        const entry = buildEntry(state, raw)
        // Of the raw object only what tombstones look at stays in memory.
        if (entry) raws.set(entry.key, { entry, stub: { metadata: pickIdentity(raw) } })
      }
    },
    commit: (resourceVersion) => {
      // A list is the truth as of its beginning: only deletions since then are news to it.
      state.tombstones.forgetBefore(mark)
      const staged = new Map<string, Entry<T>>()
      for (const [key, { entry, stub }] of raws) if (!state.tombstones.covers(stub)) staged.set(key, entry)
      const changes = applyList(state, staged, resourceVersion)
      state.fed = undefined
      state.listedVersion = resourceVersion
      state.notify(changes)
    },
    abandon: () => {
      state.fed = undefined
    },
  }
}

function pickIdentity({ metadata }: KubeObject): NonNullable<KubeObject['metadata']> {
  const { uid = '', resourceVersion = '', deletionTimestamp } = metadata ?? {}
  return { uid, resourceVersion, ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }) }
}

/** An empty state. */
export function createCacheState<Raw extends KubeObject, T>(options: CacheStateOptions<Raw, T>): CacheState<Raw, T> {
  const state: Step<Raw, T> = {
    ...options,
    store: createIndexedStore(options.indexes),
    tombstones: createTombstones(options.clock),
    fed: undefined,
    listedVersion: '',
  }
  return {
    store: state.store,
    beginList: () => beginList(state),
    applyEvent: (type, object) =>
      state.notify(type === 'DELETED' ? applyRemoval(state, object, false) : applyObject(state, object)),
    written: (object) => state.notify(applyWritten(state, object)),
    deleted: (key, uid, remaining) =>
      state.notify(remaining ? applyWritten(state, remaining) : applyDeleted(state, formatKey(key), uid)),
  }
}
