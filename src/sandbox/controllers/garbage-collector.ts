import type { OwnerReference } from '../../kube/object.ts'
import type { StoreEvent } from '../apiserver/history.ts'
import type { ApiObject } from '../apiserver/object.ts'
import type { Store } from '../apiserver/store.ts'
import type { StoredResource } from '../apiserver/strategy.ts'
import { change, type Controller, type ControllerContext, keyOfObject, remove } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import { watchAllKinds } from './kind-watch.ts'
import { isWaitingForDependents, type Located, Ownership } from './ownership.ts'

function withoutFinalizer(store: Store, { resource, object }: Located, finalizer: string): void {
  const apply = ({ metadata }: ApiObject): void => {
    metadata.finalizers = (metadata.finalizers ?? []).filter((each) => each !== finalizer)
  }
  change(store, resource, keyOfObject(object), { apply })
}

function withoutOwners(store: Store, { resource, object }: Located, uids: readonly string[]): void {
  const apply = ({ metadata }: ApiObject): void => {
    metadata.ownerReferences = (metadata.ownerReferences ?? []).filter((owner) => !uids.includes(owner.uid))
  }
  change(store, resource, keyOfObject(object), { apply })
}

/** The policy that an object was deleted with before, which a deletion by the collector keeps. */
function policyOf({ metadata }: ApiObject): 'Background' | 'Foreground' | 'Orphan' {
  if (metadata.finalizers?.includes('orphan') === true) return 'Orphan'
  return metadata.finalizers?.includes('foregroundDeletion') === true ? 'Foreground' : 'Background'
}

class GarbageCollector implements Controller {
  readonly #store: Store
  readonly #ownership: Ownership
  readonly #queue: KeyQueue
  readonly #end: () => void

  constructor({ store, timers }: ControllerContext) {
    this.#store = store
    this.#ownership = new Ownership(store)
    this.#queue = new KeyQueue({ timers, reconcile: (identity) => this.#reconcile(identity) })
    this.#end = watchAllKinds(store, (event, resource) => this.#onEvent(event, resource))
  }

  drained(): Promise<void> {
    return this.#queue.drained()
  }

  async stop(): Promise<void> {
    this.#end()
    await this.#queue.stop()
  }

  #onEvent({ type, object, before }: StoreEvent, resource: StoredResource): void {
    this.#ownership.record(resource, before, type === 'DELETED' ? undefined : object)
    const { deletionTimestamp, ownerReferences } = object.metadata
    // Most changes are of objects that nobody owns and nobody deletes.
    if (type !== 'DELETED' && (ownerReferences !== undefined || deletionTimestamp !== undefined))
      this.#queue.add(this.#ownership.identify(resource, object))
    const isGoing = type === 'DELETED' || deletionTimestamp !== undefined
    if (isGoing) for (const identity of this.#ownership.listDependents(object.metadata.uid)) this.#queue.add(identity)
    // An owner may have waited for this object.
    if (type === 'DELETED') this.#wakeOwners(object)
  }

  #wakeOwners(object: ApiObject): void {
    for (const owner of object.metadata.ownerReferences ?? []) {
      const resource = this.#ownership.kindOf(owner)
      if (resource === undefined) continue
      const { namespace } = object.metadata
      const metadata = { name: owner.name, uid: owner.uid, ...(resource.namespaced && namespace ? { namespace } : {}) }
      this.#queue.add(this.#ownership.identify(resource, { apiVersion: '', kind: '', metadata }))
    }
  }

  #reconcile(identity: string): void {
    const located = this.#ownership.find(identity)
    if (located === undefined) return
    const { object } = located
    if (object.metadata.deletionTimestamp === undefined) this.#collect(located)
    else if (isWaitingForDependents(object)) this.#finishForeground(located)
    else if (object.metadata.finalizers?.includes('orphan') === true) this.#finishOrphan(located)
  }

  /** Deletes an object that no owner keeps, and strikes out the references that lead nowhere. */
  #collect(located: Located): void {
    const { resource, object } = located
    const owners = object.metadata.ownerReferences ?? []
    if (owners.length === 0) return
    const state = (owner: OwnerReference): string => this.#ownership.stateOf(owner, object)
    const states = owners.map(state)
    if (states.includes('unknown')) return
    if (states.includes('present')) {
      const gone = owners.filter((_owner, index) => states[index] !== 'present').map((owner) => owner.uid)
      if (gone.length > 0) withoutOwners(this.#store, located, gone)
      return
    }
    const isWaitedFor = states.includes('waiting')
    const hasDependents = this.#ownership.listDependents(object.metadata.uid).length > 0
    const propagationPolicy = isWaitedFor && hasDependents ? 'Foreground' : policyOf(object)
    remove(this.#store, resource, object, { propagationPolicy })
  }

  #finishForeground(located: Located): void {
    const { uid } = located.object.metadata
    const blocks = (identity: string): boolean =>
      this.#ownership
        .find(identity)
        ?.object.metadata.ownerReferences?.some((owner) => owner.uid === uid && owner.blockOwnerDeletion === true) ===
      true
    if (this.#ownership.listDependents(uid).some(blocks)) return
    withoutFinalizer(this.#store, located, 'foregroundDeletion')
  }

  #finishOrphan(located: Located): void {
    const { uid = '' } = located.object.metadata
    for (const identity of this.#ownership.listDependents(uid)) {
      const dependent = this.#ownership.find(identity)
      if (dependent !== undefined) withoutOwners(this.#store, dependent, [uid])
    }
    withoutFinalizer(this.#store, located, 'orphan')
  }
}

/** Deletes what has lost all its owners, in the background, in the foreground, or not at all where dependents are orphaned. */
export function startGarbageCollector(context: ControllerContext): Controller {
  return new GarbageCollector(context)
}
