import type { ApiObject } from '../apiserver/object.ts'
import { type ControllerContext, pods } from './controller.ts'
import { KeyQueue } from './key-queue.ts'
import type { Pod } from './pod-conditions.ts'

/** What to do with a pod whose pause is over. */
export interface FailedPodsOptions {
  /** The first pause; it doubles with each further pod of the same owner on the same node. */
  delayMs: number
  remove: (pod: Pod) => void
}

const longestDelayMs = 15 * 60_000

/** Daemon pods that have ended: the first on a node goes at once, each further one after a longer pause. */
export class FailedPods {
  readonly #options: FailedPodsOptions
  readonly #queue: KeyQueue
  readonly #scheduled = new Set<string>()
  /** owner and node → how many pods have ended there */
  readonly #counts = new Map<string, number>()

  constructor({ store, timers }: ControllerContext, options: FailedPodsOptions) {
    this.#options = options
    const reconcile = (key: string): void => {
      const [namespace = '', name = '', uid = ''] = key.split('/')
      this.#scheduled.delete(key)
      const pod = store.find(pods, { namespace, name })
      if (pod?.metadata.uid === uid) options.remove(pod as Pod)
    }
    this.#queue = new KeyQueue({ timers, reconcile })
  }

  /** Sees to it that a pod is removed in time; saying so again changes nothing. */
  add(pod: Pod): void {
    const key = identify(pod)
    if (this.#scheduled.has(key)) return
    this.#scheduled.add(key)
    const place = `${pod.metadata.ownerReferences?.[0]?.uid}/${pod.spec?.nodeName}`
    const count = this.#counts.get(place) ?? 0
    this.#counts.set(place, count + 1)
    if (count === 0) this.#queue.add(key)
    else this.#queue.addAfter(key, Math.min(this.#options.delayMs * 2 ** (count - 1), longestDelayMs))
  }

  drained(): Promise<void> {
    return this.#queue.drained()
  }

  stop(): Promise<void> {
    return this.#queue.stop()
  }
}

function identify({ metadata }: ApiObject): string {
  return `${metadata.namespace}/${metadata.name}/${metadata.uid}`
}
