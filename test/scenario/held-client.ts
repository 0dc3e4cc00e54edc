import type { KubeClient } from '../../src/kube/client.ts'
import type { KubeObject, ObjectKey } from '../../src/kube/object.ts'
import type { Resource } from '../../src/kube/resource.ts'

/** One request of the operator about one object. */
export interface HeldRequest {
  verb: 'get' | 'create' | 'update' | 'patch' | 'delete'
  plural: string
  namespace?: string
  name?: string
}

interface Hold {
  matches: (request: HeldRequest) => boolean
  over: Promise<void>
}

const keyOf = ({ metadata }: KubeObject): Partial<ObjectKey> => ({
  ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
  ...(metadata?.name === undefined ? {} : { name: metadata.name }),
})

/** Stands between an operator and the API server, and keeps requests waiting as a test asks. */
export class HeldClient {
  readonly #holds = new Set<Hold>()

  /** Keeps matching requests waiting until the answer is called. */
  hold(matches: Hold['matches']): () => void {
    let letGo = (): void => undefined
    const over = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const hold = { matches, over }
    this.#holds.add(hold)
    return () => {
      this.#holds.delete(hold)
      letGo()
    }
  }

  readonly wrap = (client: KubeClient): KubeClient => {
    const pass = async <T>(
      verb: HeldRequest['verb'],
      { plural }: Pick<Resource, 'plural'>,
      key: Partial<ObjectKey>,
      call: () => Promise<T>,
    ): Promise<T> => {
      const request = { verb, plural, ...key }
      for (const { matches, over } of this.#holds) if (matches(request)) await over
      return call()
    }
    return {
      list: (...args) => client.list(...args),
      watch: (...args) => client.watch(...args),
      getRaw: (...args) => client.getRaw(...args),
      get: (resource, key, signal) => pass('get', resource, key, () => client.get(resource, key, signal)),
      create: (resource, object, options) =>
        pass('create', resource, keyOf(object), () => client.create(resource, object, options)),
      replace: (resource, object, options) =>
        pass('update', resource, keyOf(object), () => client.replace(resource, object, options)),
      patch: (resource, key, patch, options) =>
        pass('patch', resource, key, () => client.patch(resource, key, patch, options)),
      delete: (resource, key, options) => pass('delete', resource, key, () => client.delete(resource, key, options)),
    }
  }
}
