import type { KubeClient, WatchEvent } from '../../src/kube/client.ts'
import type { KubeObject } from '../../src/kube/object.ts'
import type { Resource } from '../../src/kube/resource.ts'

type Matches = (plural: string, object: KubeObject) => boolean

/** Stands between an operator and the API server, and lets it hear late of what a test names. */
export class LateNews {
  #matches: Matches = () => false
  #over = Promise.resolve()
  #letGo = (): void => undefined

  /** Keeps news of these objects, and all news of their kind that comes after it, until `arrive`. */
  keepBack(matches: Matches): void {
    this.#matches = matches
    this.#over = new Promise((resolve) => {
      this.#letGo = resolve
    })
  }

  arrive(): void {
    this.#matches = () => false
    this.#letGo()
  }

  async *#delay<T extends KubeObject>(
    { plural }: Resource<T>,
    events: AsyncIterable<WatchEvent<T>>,
  ): AsyncIterable<WatchEvent<T>> {
    for await (const event of events) {
      if (event.type !== 'BOOKMARK' && this.#matches(plural, event.object)) await this.#over
      yield event
    }
  }

  readonly wrap = (client: KubeClient): KubeClient => ({
    ...bindClient(client),
    watch: (resource, options) => this.#delay(resource, client.watch(resource, options)),
  })
}

/** The methods of a client that may be an object of a class. */
export const bindClient = (client: KubeClient): KubeClient => ({
  get: (...args) => client.get(...args),
  list: (...args) => client.list(...args),
  watch: (...args) => client.watch(...args),
  create: (...args) => client.create(...args),
  replace: (...args) => client.replace(...args),
  patch: (...args) => client.patch(...args),
  delete: (...args) => client.delete(...args),
  getRaw: (...args) => client.getRaw(...args),
})
