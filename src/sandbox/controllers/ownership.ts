import type { OwnerReference } from '../../kube/object.ts'
import { type ApiObject, formatGroupResource, type GroupResource } from '../apiserver/object.ts'
import type { Store } from '../apiserver/store.ts'
import type { StoredResource } from '../apiserver/strategy.ts'

/** An object of some kind. */
export interface Located {
  resource: StoredResource
  object: ApiObject
}

/** What an owner reference comes to. */
export type OwnerState = 'present' | 'waiting' | 'absent' | 'unknown'

const separator = '|'

/** Who owns whom, by uid, kept up to date by the changes of all kinds. */
export class Ownership {
  readonly #store: Store
  /** owner's uid → identities of its dependents */
  readonly #dependents = new Map<string, Set<string>>()

  constructor(store: Store) {
    this.#store = store
  }

  /** The identity by which `find` finds an object again. */
  identify(resource: GroupResource, object: ApiObject): string {
    const { namespace = '', name, uid = '' } = object.metadata
    return [formatGroupResource(resource), namespace, name, uid].join(separator)
  }

  /** The present state of an object; undefined when it is gone. */
  find(identity: string): Located | undefined {
    const [kind = '', namespace = '', name = '', uid = ''] = identity.split(separator)
    const resource = this.#store.resources.find((each) => formatGroupResource(each) === kind)
    if (resource === undefined) return undefined
    const object = this.#store.find(resource, namespace === '' ? { name } : { namespace, name })
    return object?.metadata.uid === uid ? { resource, object } : undefined
  }

  /** Takes note of a change: `before` and `after` are the states of one object, absent when it was or is not there. */
  record(resource: GroupResource, before: ApiObject | undefined, after: ApiObject | undefined): void {
    if (before !== undefined) {
      const identity = this.identify(resource, before)
      for (const uid of ownersOf(before)) this.#dependents.get(uid)?.delete(identity)
    }
    if (after === undefined) return
    const identity = this.identify(resource, after)
    for (const uid of ownersOf(after)) {
      const dependents = this.#dependents.get(uid) ?? new Set()
      this.#dependents.set(uid, dependents.add(identity))
    }
  }

  /** The identities of the objects that name this uid as an owner. */
  listDependents(uid: string | undefined): string[] {
    return [...(this.#dependents.get(uid ?? '') ?? [])]
  }

  /** Whether an owner is there. One of an unknown kind, or a namespaced one of a cluster-scoped object, is left alone. */
  stateOf(owner: OwnerReference, dependent: ApiObject): OwnerState {
    const resource = this.kindOf(owner)
    const { namespace } = dependent.metadata
    if (resource === undefined || (resource.namespaced && namespace === undefined)) return 'unknown'
    const key = resource.namespaced && namespace !== undefined ? { namespace, name: owner.name } : { name: owner.name }
    const found = this.#store.find(resource, key)
    if (found?.metadata.uid !== owner.uid) return 'absent'
    return isWaitingForDependents(found) ? 'waiting' : 'present'
  }

  /** The kind that a reference names, whatever its version; undefined when the store has no such kind. */
  kindOf({ apiVersion, kind }: OwnerReference): StoredResource | undefined {
    const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : ''
    return this.#store.resources.find((each) => each.group === group && each.kind === kind)
  }
}

const ownersOf = ({ metadata }: ApiObject): string[] => (metadata.ownerReferences ?? []).map((owner) => owner.uid)

/** True for an object whose deletion waits for that of what it owns. */
export function isWaitingForDependents({ metadata }: ApiObject): boolean {
  return metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes('foregroundDeletion') === true
}
