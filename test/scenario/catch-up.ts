import type { KubeClient } from '../../src/kube/client.ts'
import { events, nodes, pods } from '../../src/kube/core-resources.ts'
import { type KubeObject, keyOf, parseKey } from '../../src/kube/object.ts'
import type { Resource } from '../../src/kube/resource.ts'
import type { WatchCache } from '../../src/kube/watch-cache.ts'
import { micResource, moduleResource, nmcResource, preflightResource, type View } from './view.ts'

/** Says whether a cache has seen, by now, all that the API server held at one moment. */
type HasSeen = () => boolean

const versionOf = ({ metadata }: KubeObject): number => Number(metadata?.resourceVersion ?? 0)

/** Follows a cache from its start; the answer asks the API server what it holds. */
function follow<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  cache: WatchCache<T, T>,
): () => Promise<HasSeen> {
  const uids = new Set<string | undefined>()
  cache.onChange(({ after }) => after && uids.add(after.metadata?.uid))
  return async () => {
    const { items, resourceVersion } = await client.list(resource)
    const listed = new Set(items.map(keyOf))
    const isSeen = (object: T): boolean => {
      const shown = cache.get(parseKey(keyOf(object)))
      return shown === undefined ? uids.has(object.metadata?.uid) : versionOf(shown) >= versionOf(object)
    }
    const isThere = (object: T): boolean => listed.has(keyOf(object)) || versionOf(object) > Number(resourceVersion)
    return () => items.every(isSeen) && cache.list().every(isThere)
  }
}

/**
 * Prepares to tell when a view that has not begun shows all that the API server holds: each kind has a watch of its own, and one may
 * lag behind another. The answer asks the API server; what it answers says whether the view has seen that.
 */
export function followView(view: View, client: KubeClient): () => Promise<HasSeen> {
  const kinds = [
    follow(client, nodes, view.nodes),
    follow(client, moduleResource, view.modules),
    follow(client, nmcResource, view.configs),
    follow(client, micResource, view.images),
    follow(client, preflightResource, view.preflights),
    follow(client, pods, view.pods),
    follow(client, events, view.events),
  ]
  return async () => {
    const answers = await Promise.all(kinds.map((ask) => ask()))
    return () => answers.every((hasSeen) => hasSeen())
  }
}
