import type { Pod } from 'kubernetes-types/core/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { KubeClient, WatchEvent } from '../../kube/client.ts'
import { type Clock, realClock, sleep } from '../../kube/clock.ts'
import { pods } from '../../kube/core-resources.ts'

/** Who wants to know of the pods of one node. */
export interface PodListener {
  podChanged(pod: Pod): void
  podGone(pod: Pod): void
}

const retryMs = 100

/** One list and watch of all pods, given out to the virtual nodes of a process by the node that they are bound to. */
export class PodFeed {
  readonly #client: KubeClient
  readonly #clock: Clock
  readonly #listeners = new Map<string, PodListener>()
  readonly #known = new Map<string, Pod>()
  readonly #stop = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor(client: KubeClient, clock: Clock = realClock) {
    this.#client = client
    this.#clock = clock
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  /** Tells a node of its pods from now on, and of those that are bound to it already. */
  subscribe(nodeName: string, listener: PodListener): void {
    this.#listeners.set(nodeName, listener)
    for (const pod of this.#known.values()) if (pod.spec?.nodeName === nodeName) listener.podChanged(pod)
  }

  unsubscribe(nodeName: string): void {
    this.#listeners.delete(nodeName)
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#follow(await this.#list(signal), signal)
      } catch (error) {
        if (signal.aborted || hasCode(error, 'Expired')) continue
        await sleep(this.#clock, retryMs, signal)
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { items, resourceVersion } = await this.#client.list(pods, { signal })
    const present = new Set(items.map((pod) => pod.metadata?.uid))
    for (const [uid, pod] of this.#known) if (!present.has(uid)) this.#forget(pod)
    for (const pod of items) this.#note(pod)
    return resourceVersion
  }

  async #follow(from: string, signal: AbortSignal): Promise<void> {
    let resourceVersion = from
    while (!signal.aborted) {
      for await (const event of this.#client.watch(pods, { resourceVersion, signal }))
        resourceVersion = this.#take(event) ?? resourceVersion
    }
  }

  #take(event: WatchEvent<Pod>): string | undefined {
    if (event.type === 'BOOKMARK') return event.resourceVersion
    if (event.type === 'DELETED') this.#forget(event.object)
    else this.#note(event.object)
    return event.object.metadata?.resourceVersion
  }

  #note(pod: Pod): void {
    this.#known.set(pod.metadata?.uid ?? '', pod)
    this.#listeners.get(pod.spec?.nodeName ?? '')?.podChanged(pod)
  }

  #forget(pod: Pod): void {
    this.#known.delete(pod.metadata?.uid ?? '')
    this.#listeners.get(pod.spec?.nodeName ?? '')?.podGone(pod)
  }
}
