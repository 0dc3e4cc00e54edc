import type { Node } from 'kubernetes-types/core/v1.js'
import { KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { realClock, sleep } from '../../kube/clock.ts'
import { nodes } from '../../kube/core-resources.ts'
import { createWatchCache, type WatchCache } from '../../kube/watch-cache.ts'
import type { NodeObserver } from '../node/node-traits.ts'

/** What is kept of a node. */
interface Health {
  ready: string
  /** Keys of its taints. */
  taints: readonly string[]
}

const notReadyTaint = 'node.kubernetes.io/not-ready'
const unreachableTaint = 'node.kubernetes.io/unreachable'

const trim = ({ spec, status }: Node): Health => ({
  ready: status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown',
  taints: (spec?.taints ?? []).map(({ key }) => key),
})

/** Watches the nodes of a cluster, for those who wait for what the node lifecycle controller does. */
export class NodeWatch implements NodeObserver {
  readonly #cache: WatchCache<Node, Health>
  readonly #timeoutMs: number
  readonly #waiting = new Set<() => void>()

  /** `timeoutMs` is how long anything may take. */
  constructor(client: KubeClient, timeoutMs: number) {
    this.#timeoutMs = timeoutMs
    this.#cache = createWatchCache({ client, resource: nodes, trim, onError: () => undefined })
    this.#cache.onChange(() => {
      for (const look of this.#waiting) look()
    })
    this.#cache.start()
  }

  isReady(name: string): boolean {
    return this.#cache.get({ name })?.ready === 'True'
  }

  untilReady(name: string, signal: AbortSignal): Promise<void> {
    return this.#until({ name, signal, what: 'ready' }, ({ ready, taints }) => {
      return ready === 'True' && !taints.includes(notReadyTaint) && !taints.includes(unreachableTaint)
    })
  }

  untilUnreachable(name: string, signal: AbortSignal): Promise<void> {
    return this.#until({ name, signal, what: 'unreachable' }, ({ ready, taints }) => {
      return ready === 'Unknown' && taints.includes(unreachableTaint)
    })
  }

  async stop(): Promise<void> {
    await this.#cache.stop()
  }

  async #until(
    { name, signal, what }: { name: string; signal: AbortSignal; what: string },
    holds: (health: Health) => boolean,
  ): Promise<void> {
    const found = new AbortController()
    const look = (): void => {
      const health = this.#cache.get({ name })
      if (health !== undefined && holds(health)) found.abort()
    }
    this.#waiting.add(look)
    look()
    await sleep(realClock, this.#timeoutMs, AbortSignal.any([signal, found.signal]))
    this.#waiting.delete(look)
    if (found.signal.aborted || signal.aborted) return
    throw new KmmError(
      `node ${name} is not ${what} after ${this.#timeoutMs / 1_000} s: ${JSON.stringify(this.#cache.get({ name }))}`,
      { code: 'TimedOut' },
    )
  }
}
