import type { ObjectKey } from '../../kube/object.ts'
import type { ApiObject, GroupResource } from '../apiserver/object.ts'
import type { Store } from '../apiserver/store.ts'
import type { Timers } from './timers.ts'

/** One emulated controller. It works on the store and is awake only when something changed. */
export interface Controller {
  /** Resolves when nothing is left to do but to wait for a timer. */
  drained(): Promise<void>
  stop(): Promise<void>
}

/** What every controller works with. */
export interface ControllerContext {
  store: Store
  timers: Timers
  /** Creates an object as a client would: through defaults, admission and validation. */
  create: (resource: GroupResource, object: ApiObject) => Promise<ApiObject>
}

export const namespaces: GroupResource = { group: '', plural: 'namespaces' }
export const nodes: GroupResource = { group: '', plural: 'nodes' }
export const pods: GroupResource = { group: '', plural: 'pods' }
export const events: GroupResource = { group: '', plural: 'events' }
export const configMaps: GroupResource = { group: '', plural: 'configmaps' }
export const serviceAccounts: GroupResource = { group: '', plural: 'serviceaccounts' }
export const resourceQuotas: GroupResource = { group: '', plural: 'resourcequotas' }
export const daemonSets: GroupResource = { group: 'apps', plural: 'daemonsets' }
export const controllerRevisions: GroupResource = { group: 'apps', plural: 'controllerrevisions' }
export const leases: GroupResource = { group: 'coordination.k8s.io', plural: 'leases' }

/** The key of a stored object. */
export function keyOfObject({ metadata }: ApiObject): ObjectKey {
  const { namespace, name } = metadata
  return namespace === undefined ? { name } : { namespace, name }
}

/** Changes a stored object; nothing happens when it is gone meanwhile. */
export function change(
  store: Store,
  resource: GroupResource,
  key: ObjectKey,
  { subresource, apply }: { subresource?: string; apply: (object: ApiObject) => void },
): void {
  const found = store.find(resource, key)
  if (found === undefined) return
  const object = structuredClone(found)
  apply(object)
  store.update(resource, object, subresource === undefined ? {} : { subresource })
}

/** Deletes a stored object with this uid; nothing happens when it is gone, or another has taken its name. */
export function remove(
  store: Store,
  resource: GroupResource,
  object: ApiObject,
  options: { gracePeriodSeconds?: number; propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' } = {},
): void {
  const key = keyOfObject(object)
  if (store.find(resource, key)?.metadata.uid !== object.metadata.uid) return
  store.delete(resource, key, { propagationPolicy: 'Background', ...options })
}
