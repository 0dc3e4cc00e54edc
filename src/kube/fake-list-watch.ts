import { KmmError } from '../errors/error.ts'
import type { KubeClient, ListAnswer, ListOptions, WatchEvent, WatchOptions } from './client.ts'
import { keyOf, type KubeObject, type ObjectKey, type ObjectMeta } from './object.ts'

/** An object of the fake server. */
export interface FakeObject extends KubeObject {
  metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string }
  spec?: unknown
}

interface Logged {
  version: number
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: FakeObject
}

interface OpenWatch {
  /** What has been sent to it. */
  version: number
  /** How many more events may be sent. */
  credit: number
  bookmarks: number[]
  end: KmmError | 'regular' | undefined
  wake: () => void
}

interface Snapshot {
  version: number
  objects: FakeObject[]
}

/** An API server of one kind, in memory, for tests of list and watch: it delivers, delays and breaks off as told. */
export interface FakeListWatch {
  /** Only list and watch work. */
  client: KubeClient
  readonly objects: ReadonlyMap<string, FakeObject>
  readonly openWatches: number
  readonly lists: number
  create(key: ObjectKey, fields?: Partial<ObjectMeta> & { spec?: unknown }): FakeObject
  /** Undefined when there is no such object. An object that is marked for deletion goes with its last finalizer. */
  update(key: string, fields: Partial<ObjectMeta> & { spec?: unknown }): FakeObject | undefined
  /** Answers what is left of it, as a client's `delete` does. */
  remove(key: string): FakeObject | undefined
  /** Lets open and coming watches deliver so many more events each. */
  deliver(events: number): void
  /** Sends a bookmark of a moment between the start and what was delivered. */
  bookmark(behind: number): void
  /** Ends all watches, with an error or regularly. */
  drop(error?: KmmError): void
  /** Forgets history: watches and continue tokens from before are Expired. */
  compact(): void
  /** Makes lists wait for `releaseLists`; what they answer is decided when they arrive. */
  holdLists(): void
  releaseLists(): void
  /** Ends all watches and fails every list and watch with the error, until called without one. */
  breakDown(error?: KmmError): void
  /** Fails the next list or page. */
  failNextList(error: KmmError): void
}

function unsupported(): never {
  throw new KmmError('the fake server only lists and watches', { code: 'Internal' })
}

class ListWatchServer implements FakeListWatch {
  readonly objects = new Map<string, FakeObject>()
  readonly #log: Logged[] = []
  readonly #watches = new Set<OpenWatch>()
  readonly #snapshots = new Map<string, Snapshot>()
  readonly #pageSize: number
  #version = 0
  #compacted = 0
  #credit = 0
  #uids = 0
  #held: Promise<void> | undefined
  #release: (() => void) | undefined
  #failure: KmmError | undefined
  #outage: KmmError | undefined
  #lists = 0
  readonly client: KubeClient

  constructor(pageSize: number) {
    this.#pageSize = pageSize
    this.client = {
      get: unsupported,
      create: unsupported,
      replace: unsupported,
      patch: unsupported,
      delete: unsupported,
      getRaw: unsupported,
      list: (_, options) => this.#list(options ?? {}) as Promise<ListAnswer<never>>,
      watch: (_, options) => this.#watch(options) as AsyncIterable<WatchEvent<never>>,
    }
  }

  get openWatches(): number {
    return this.#watches.size
  }

  get lists(): number {
    return this.#lists
  }

  create(key: ObjectKey, { spec, ...metadata }: Partial<ObjectMeta> & { spec?: unknown } = {}): FakeObject {
    const uid = `uid-${++this.#uids}`
    const version = ++this.#version
    const object = { metadata: { ...key, ...metadata, uid, resourceVersion: String(version) }, spec }
    this.objects.set(keyOf(object), object)
    this.#record('ADDED', object)
    return object
  }

  update(key: string, { spec, ...metadata }: Partial<ObjectMeta> & { spec?: unknown }): FakeObject | undefined {
    const before = this.objects.get(key)
    if (!before) return undefined
    const object = { metadata: { ...before.metadata, ...metadata }, spec: spec ?? before.spec }
    const { deletionTimestamp, finalizers = [] } = object.metadata
    if (deletionTimestamp !== undefined && finalizers.length === 0) {
      this.#erase(key)
      return object
    }
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } }
    this.objects.set(key, stored)
    this.#record('MODIFIED', stored)
    return stored
  }

  remove(key: string): FakeObject | undefined {
    const { finalizers = [] } = this.objects.get(key)?.metadata ?? {}
    if (finalizers.length > 0) return this.update(key, { deletionTimestamp: '2026-01-01T00:00:00Z' })
    this.#erase(key)
    return undefined
  }

  deliver(events: number): void {
    this.#credit = events
    for (const watch of this.#watches) {
      watch.credit += events
      watch.wake()
    }
  }

  bookmark(behind: number): void {
    for (const watch of this.#watches) {
      watch.bookmarks.push(Math.max(1, watch.version - behind))
      watch.wake()
    }
  }

  drop(error?: KmmError): void {
    for (const watch of this.#watches) {
      watch.end = error ?? 'regular'
      watch.wake()
    }
  }

  compact(): void {
    this.#compacted = this.#version
    this.#snapshots.clear()
  }

  holdLists(): void {
    this.#held ??= new Promise((resolve) => {
      this.#release = resolve
    })
  }

  releaseLists(): void {
    this.#release?.()
    this.#held = undefined
  }

  breakDown(error?: KmmError): void {
    this.#outage = error
    if (error) this.drop(error)
  }

  failNextList(error: KmmError): void {
    this.#failure = error
  }

  #record(type: Logged['type'], object: FakeObject): void {
    this.#log.push({ version: this.#version, type, object })
    for (const watch of this.#watches) watch.wake()
  }

  #erase(key: string): void {
    const object = this.objects.get(key)
    if (!object) return
    this.objects.delete(key)
    const resourceVersion = String(++this.#version)
    this.#record('DELETED', { ...object, metadata: { ...object.metadata, resourceVersion } })
  }

  async #list({ limit, continueToken, signal }: ListOptions): Promise<ListAnswer<FakeObject>> {
    this.#lists++
    const failure = this.#failure
    this.#failure = undefined
    const token = continueToken ?? `${this.#version}/${this.#lists}/0`
    if (continueToken === undefined)
      this.#snapshots.set(snapshotName(token), { version: this.#version, objects: [...this.objects.values()] })
    const snapshot = this.#snapshots.get(snapshotName(token))
    await this.#held
    if (signal?.aborted) throw new KmmError('stopped', { code: 'Aborted' })
    const broken = failure ?? this.#outage
    if (broken) throw broken
    if (!snapshot) throw new KmmError('the continue token is too old', { code: 'Expired' })
    const start = Number(token.split('/')[2])
    const end = start + Math.min(limit ?? Number.POSITIVE_INFINITY, this.#pageSize)
    return {
      items: snapshot.objects.slice(start, end),
      resourceVersion: String(snapshot.version),
      ...(end < snapshot.objects.length ? { continueToken: `${snapshotName(token)}/${end}` } : {}),
    }
  }

  async *#watch({
    resourceVersion,
    signal,
    onOpen,
  }: WatchOptions): AsyncGenerator<WatchEvent<FakeObject>, void, undefined> {
    if (this.#outage) throw this.#outage
    const from = Number(resourceVersion)
    if (from < this.#compacted) throw new KmmError('too old resource version', { code: 'Expired' })
    const watch: OpenWatch = {
      version: from,
      credit: this.#credit,
      bookmarks: [],
      end: undefined,
      wake: () => undefined,
    }
    this.#watches.add(watch)
    onOpen?.()
    try {
      for (;;) {
        if (signal.aborted) throw new KmmError('stopped', { code: 'Aborted' })
        if (watch.end instanceof KmmError) throw watch.end
        if (watch.end) return
        const event = this.#next(watch)
        if (event) yield event
        else await this.#waitForNews(watch, signal)
      }
    } finally {
      this.#watches.delete(watch)
    }
  }

  #next(watch: OpenWatch): WatchEvent<FakeObject> | undefined {
    const bookmark = watch.bookmarks.shift()
    if (bookmark !== undefined) return { type: 'BOOKMARK', resourceVersion: String(bookmark) }
    const logged = watch.credit > 0 ? this.#log.find(({ version }) => version > watch.version) : undefined
    if (!logged) return undefined
    watch.credit--
    watch.version = logged.version
    return { type: logged.type, object: logged.object }
  }

  #waitForNews(watch: OpenWatch, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        signal.removeEventListener('abort', finish)
        resolve()
      }
      watch.wake = finish
      signal.addEventListener('abort', finish, { once: true })
    })
  }
}

function snapshotName(token: string): string {
  return token.split('/').slice(0, 2).join('/')
}

/** An empty server whose lists have pages of `pageSize` objects. */
export function createFakeListWatch(pageSize = 500): FakeListWatch {
  return new ListWatchServer(pageSize)
}
