import type { ObjectKey } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'
import { formatTime, planDeletion } from './deletion.ts'
import { History, type StoreEvent } from './history.ts'
import { cloneJson, formatGroupResource, sameJson, type ApiObject, type GroupResource } from './object.ts'
import { alreadyExists, conflict, modified, noSuchResource, notFound } from './status-error.ts'
import { checkPreconditions, dropUnkeptMetadata, endsDeletion, keepSystemMetadata, stamp } from './stored-metadata.ts'
import { sameDesire, type DeleteRequest, type StoredResource } from './strategy.ts'

/** What the store needs from outside. */
export interface StoreOptions {
  now(): number
  newUid(): string
  /** How many changes of each kind a watch can go back. */
  historySize: number
}

/** How an update is meant. */
export interface UpdateOptions {
  /** `status` changes the status alone; `finalize` and others change what they are given. */
  subresource?: string
  /** What is stored, in the version of the input where that is another one. */
  old?: ApiObject
}

interface Shelf {
  resource: StoredResource
  /** namespace ('' for cluster-scoped) → name → object */
  namespaces: Map<string, Map<string, ApiObject>>
  history: History
  subscribers: Set<Subscriber>
}

/** Who hears of a kind's changes, and of its end when its definition is deleted. */
interface Subscriber {
  onEvent(event: StoreEvent): void
  onEnd?: (() => void) | undefined
}

/** What a delete left behind: the object as it is now, and whether it is gone. */
export interface DeleteResult {
  object: ApiObject
  gone: boolean
}

/**
 * The objects of the sandbox's API server: synchronous, in memory, with the server's own rules (resourceVersion, uid,
 * generation, conflicts, finalizers, graceful deletion, status apart from spec), but without admission and validation,
 * which stand in front of it. Objects that come out are frozen; what goes in is copied. Failures are StatusErrors.
 */
export class Store {
  readonly #options: StoreOptions
  readonly #shelves = new Map<string, Shelf>()
  #resourceVersion = 1
  #pending: (() => void)[] = []
  #delivering = false

  constructor(options: StoreOptions) {
    this.#options = options
  }

  /** The version of the newest change of anything. */
  get resourceVersion(): number {
    return this.#resourceVersion
  }

  /** Starts to keep a kind, or changes the strategy of one that is kept. */
  define(resource: StoredResource): void {
    const known = this.#shelves.get(formatGroupResource(resource))
    if (known) known.resource = resource
    else {
      this.#shelves.set(formatGroupResource(resource), {
        resource,
        namespaces: new Map(),
        history: new History(this.#options.historySize, this.#resourceVersion),
        subscribers: new Set(),
      })
    }
  }

  /** Forgets a kind and everything of it. */
  undefine(resource: GroupResource): void {
    const shelf = this.#shelves.get(formatGroupResource(resource))
    this.#shelves.delete(formatGroupResource(resource))
    for (const subscriber of shelf?.subscribers ?? []) subscriber.onEnd?.()
  }

  /** Every kind that is kept, in the order of their definition. */
  get resources(): readonly StoredResource[] {
    return [...this.#shelves.values()].map((shelf) => shelf.resource)
  }

  /** The kind that is stored under a group and plural name. */
  resource(resource: GroupResource): StoredResource | undefined {
    return this.#shelves.get(formatGroupResource(resource))?.resource
  }

  find(resource: GroupResource, key: ObjectKey): ApiObject | undefined {
    return this.#shelf(resource)
      .namespaces.get(key.namespace ?? '')
      ?.get(key.name)
  }

  get(resource: GroupResource, key: ObjectKey): ApiObject {
    const object = this.find(resource, key)
    if (!object) throw notFound(resource, key.name)
    return object
  }

  /** The objects of one namespace, or of all, ordered by namespace and name as etcd does. */
  list(resource: GroupResource, namespace?: string): ApiObject[] {
    const { namespaces } = this.#shelf(resource)
    const names = namespace === undefined ? [...namespaces.keys()].sort() : [namespace]
    return names.flatMap((name) => {
      const objects = namespaces.get(name)
      return objects ? [...objects.keys()].sort().flatMap((key) => objects.get(key) ?? []) : []
    })
  }

  /** Stores a new object. `metadata.name` must be final; uid, times, version and generation are set here. */
  create(resource: GroupResource, input: ApiObject): ApiObject {
    const prepared = this.prepareCreate(resource, input)
    return this.commitCreate(resource, prepared)
  }

  /** What `create` would store, without storing it: for validation and dry runs. */
  prepareCreate(resource: GroupResource, input: ApiObject): ApiObject {
    const { resource: kind } = this.#shelf(resource)
    const object = cloneJson(input)
    const { metadata } = object
    metadata.uid = this.#options.newUid()
    metadata.creationTimestamp = formatTime(this.#options.now())
    delete metadata.resourceVersion
    delete metadata.deletionTimestamp
    delete metadata.deletionGracePeriodSeconds
    delete metadata.generation
    if (kind.strategy.generation === 'spec') metadata.generation = 1
    dropUnkeptMetadata(object)
    kind.strategy.prepareForCreate(object)
    return object
  }

  /** Stores what `prepareCreate` made; refuses when the name is taken. */
  commitCreate(resource: GroupResource, object: ApiObject): ApiObject {
    this.refuseTaken(resource, object)
    return this.#put(this.#shelf(resource), 'ADDED', object)
  }

  /** Refuses an object whose name is taken. */
  refuseTaken(resource: GroupResource, { metadata }: ApiObject): void {
    const existing = this.find(resource, keyOfObject(metadata.namespace, metadata.name))
    if (existing) throw alreadyExists(resource, metadata.name, existing.metadata.deletionTimestamp !== undefined)
  }

  /** Replaces an object. A change of nothing writes nothing; the last finalizer's removal ends a deletion. */
  update(resource: GroupResource, input: ApiObject, options: UpdateOptions = {}): ApiObject {
    const prepared = this.prepareUpdate(resource, input, options)
    return this.commitUpdate(resource, prepared)
  }

  /** What `update` would store, without storing it. Refuses a wrong uid or resourceVersion. */
  prepareUpdate(resource: GroupResource, input: ApiObject, options: UpdateOptions = {}): ApiObject {
    const { resource: kind } = this.#shelf(resource)
    const { namespace, name } = input.metadata
    const stored = this.get(resource, keyOfObject(namespace, name))
    this.#checkUpdate(kind, input, stored)
    const old = options.old ?? stored
    const object = cloneJson(input)
    if (options.subresource === 'status' && kind.strategy.prepareForStatusUpdate) {
      kind.strategy.prepareForStatusUpdate(object, old)
    } else if (options.subresource === undefined) kind.strategy.prepareForUpdate(object, old)
    keepSystemMetadata(object, old)
    dropUnkeptMetadata(object)
    if (options.subresource === undefined && kind.strategy.generation === 'spec' && !sameDesire(object, old)) {
      object.metadata.generation = (old.metadata.generation ?? 0) + 1
    }
    return object
  }

  /** Stores what `prepareUpdate` made; refuses when the object has changed since. */
  commitUpdate(resource: GroupResource, object: ApiObject): ApiObject {
    const shelf = this.#shelf(resource)
    const { namespace, name, resourceVersion } = object.metadata
    const old = this.get(resource, keyOfObject(namespace, name))
    if (old.metadata.resourceVersion !== resourceVersion) throw modified(resource, name)
    if (endsDeletion(object, shelf.resource)) return this.#remove(shelf, object, old)
    if (sameJson(object, old)) return old
    return this.#put(shelf, 'MODIFIED', object, old)
  }

  /** Deletes an object, or marks it when finalizers or a grace period keep it. */
  delete(resource: GroupResource, key: ObjectKey, request: DeleteRequest = {}): DeleteResult {
    const shelf = this.#shelf(resource)
    const old = this.get(resource, key)
    checkPreconditions(shelf.resource, old, request)
    const deletion = planDeletion(old, shelf.resource.strategy, request, this.#options.now())
    if (deletion.kind === 'remove') return { object: this.#remove(shelf, deletion.object ?? old, old), gone: true }
    if (deletion.kind === 'unchanged') return { object: old, gone: false }
    return { object: this.#put(shelf, 'MODIFIED', deletion.object, old), gone: false }
  }

  /** The changes of a kind after a resourceVersion, oldest first; 410 when they are no longer kept. */
  eventsSince(resource: GroupResource, resourceVersion: number): StoreEvent[] {
    return this.#shelf(resource).history.since(resourceVersion)
  }

  /** Forgets all but the newest `keep` changes of a kind, so that older watches get 410. */
  compact(resource: GroupResource, keep = 0): void {
    this.#shelf(resource).history.cut(keep)
  }

  /**
   * Calls the listener for each change of a kind from now on, in order. A listener may write: what that causes is
   * delivered after the present change has reached everybody. `onEnd` is called when the kind
   * is forgotten. Answers with the function that ends the subscription.
   */
  subscribe(resource: GroupResource, onEvent: (event: StoreEvent) => void, onEnd?: () => void): () => void {
    const { subscribers } = this.#shelf(resource)
    const subscriber = { onEvent, onEnd }
    subscribers.add(subscriber)
    return () => subscribers.delete(subscriber)
  }

  #shelf(resource: GroupResource): Shelf {
    const shelf = this.#shelves.get(formatGroupResource(resource))
    if (!shelf) throw noSuchResource()
    return shelf
  }

  #checkUpdate(kind: Resource & StoredResource, input: ApiObject, old: ApiObject): void {
    const { uid, resourceVersion, name } = input.metadata
    if (uid !== undefined && uid !== '' && uid !== old.metadata.uid) {
      throw conflict(
        kind,
        name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${old.metadata.uid}`,
      )
    }
    if (resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0') return
    if (resourceVersion !== old.metadata.resourceVersion) throw modified(kind, name)
  }

  #put(shelf: Shelf, type: 'ADDED' | 'MODIFIED', object: ApiObject, before?: ApiObject): ApiObject {
    const resourceVersion = ++this.#resourceVersion
    const { namespace = '', name } = object.metadata
    const stored = stamp(shelf.resource, object, resourceVersion)
    const objects = shelf.namespaces.get(namespace) ?? new Map<string, ApiObject>()
    shelf.namespaces.set(namespace, objects.set(name, stored))
    this.#announce(shelf, { type, object: stored, resourceVersion, ...(before === undefined ? {} : { before }) })
    return stored
  }

  #remove(shelf: Shelf, object: ApiObject, before: ApiObject): ApiObject {
    const resourceVersion = ++this.#resourceVersion
    const { namespace = '', name } = object.metadata
    const objects = shelf.namespaces.get(namespace)
    objects?.delete(name)
    if (objects?.size === 0) shelf.namespaces.delete(namespace)
    // Watches are shown what was stored, whatever the last write was to change.
    const last = stamp(shelf.resource, before, resourceVersion)
    this.#announce(shelf, { type: 'DELETED', object: last, before, resourceVersion })
    return object === before ? last : stamp(shelf.resource, object, resourceVersion)
  }

  #announce(shelf: Shelf, event: StoreEvent): void {
    shelf.history.push(event)
    this.#pending.push(() => {
      for (const subscriber of shelf.subscribers) subscriber.onEvent(event)
    })
    if (this.#delivering) return
    this.#delivering = true
    try {
      for (let next = this.#pending.shift(); next; next = this.#pending.shift()) next()
    } finally {
      this.#delivering = false
    }
  }
}

function keyOfObject(namespace: string | undefined, name: string): ObjectKey {
  return namespace === undefined ? { name } : { namespace, name }
}
