import { formatGroupResource, type GroupResource } from '../apiserver/object.ts'
import type { StoreEvent } from '../apiserver/history.ts'
import type { Store } from '../apiserver/store.ts'
import type { StoredResource } from '../apiserver/strategy.ts'

const definitions: GroupResource = { group: 'apiextensions.k8s.io', plural: 'customresourcedefinitions' }

/** Called for every change of every kind. */
export type KindListener = (event: StoreEvent, resource: StoredResource) => void

/**
 * Follows every kind of the store, custom kinds from when they are defined. What is stored already is told as ADDED.
 * Returns the function that ends it.
 */
export function watchAllKinds(store: Store, listener: KindListener): () => void {
  const watched = new Map<string, () => void>()
  const follow = (resource: StoredResource): void => {
    const name = formatGroupResource(resource)
    if (watched.has(name)) return
    watched.set(
      name,
      store.subscribe(resource, (event) => listener(event, resource)),
    )
    for (const object of store.list(resource)) listener({ type: 'ADDED', object, resourceVersion: 0 }, resource)
  }
  const followAll = (): void => {
    const names = new Set(store.resources.map(formatGroupResource))
    for (const name of watched.keys()) if (!names.has(name)) watched.delete(name)
    for (const resource of store.resources) follow(resource)
  }
  // After all who listen for definitions: one of them makes the kind known to the store.
  let isWaiting = false
  const followLater = (): void => {
    if (isWaiting) return
    isWaiting = true
    queueMicrotask(() => {
      isWaiting = false
      followAll()
    })
  }
  const endDefinitions = store.subscribe(definitions, (event) => {
    if (event.type !== 'MODIFIED') followLater()
  })
  followAll()
  return () => {
    endDefinitions()
    for (const end of watched.values()) end()
    watched.clear()
  }
}
