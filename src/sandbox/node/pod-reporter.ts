import type { Pod } from 'kubernetes-types/core/v1.js'
import { hasCode } from '../../errors/error.ts'
import type { Patch } from '../../kube/client.ts'
import { sleep } from '../../kube/clock.ts'
import { pods } from '../../kube/core-resources.ts'
import { isOlder } from '../../kube/resource-version.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import { buildPodStatus, formatTime, type PodView } from './pod-status.ts'

const retryMs = 100

/** Thrown when the API server no longer has the pod: there is nothing left to report or delete. */
export class PodGone extends Error {}

const isNewer = (pod: Pod, than: Pod): boolean =>
  isOlder(than.metadata?.resourceVersion ?? '', pod.metadata?.resourceVersion ?? '')

const readinessOf = ({ status }: Pick<Pod, 'status'>): string =>
  status?.conditions?.find(({ type }) => type === 'Ready')?.status ?? 'Unknown'

/** Writes one pod's status to the API server, in order, as often as it takes; waits while the node is offline. */
export class PodReporter {
  readonly #settings: KubeletSettings
  readonly #signal: AbortSignal
  #pod: Pod
  #written = ''
  /** The readiness of the status that was written last, or is being written. */
  #said: string | undefined
  #contradictions = 0
  #hasComplained = false
  #tail: Promise<void> = Promise.resolve()

  constructor(settings: KubeletSettings, pod: Pod, signal: AbortSignal) {
    this.#settings = settings
    this.#signal = signal
    this.#pod = pod
  }

  /** Reports what has changed since the last report, after what is being reported already. Throws PodGone. */
  report(view: PodView): Promise<void> {
    const snapshot = structuredClone(view)
    const written = this.#tail.then(() => this.#write(snapshot))
    this.#tail = written.catch(() => undefined)
    return written
  }

  /**
   * True when somebody else has written another readiness since the last report, as the node lifecycle controller does for
   * the pods of a silent node; what is reported next is written whatever was reported before.
   */
  isContradicted(pod: Pod): boolean {
    if (this.#said === undefined || !isNewer(pod, this.#pod)) return false
    if (readinessOf(pod) === this.#said) return false
    this.#pod = pod
    this.#written = ''
    this.#contradictions += 1
    return true
  }

  async #write(view: PodView): Promise<void> {
    const { nodeName, clock, client } = this.#settings
    const status = buildPodStatus(this.#pod, view, nodeName, formatTime(clock.now()))
    const text = JSON.stringify(status)
    if (text === this.#written) return
    this.#said = readinessOf({ status })
    const contradictions = this.#contradictions
    await this.#persist(async () => {
      const body = { metadata: { uid: this.#pod.metadata?.uid }, status }
      const key = { namespace: this.#pod.metadata?.namespace ?? '', name: this.#pod.metadata?.name ?? '' }
      const patch: Patch = { type: 'merge', body }
      const written = await client.patch(pods, key, patch, { subresource: 'status', signal: this.#signal })
      if (isNewer(written, this.#pod)) this.#pod = written
    })
    // What was contradicted before its answer came is to be written once more.
    if (contradictions === this.#contradictions) this.#written = text
  }

  /** Takes the pod out of the API, now that nothing of it is left on the node; finalizers may keep it. */
  async remove(): Promise<void> {
    const { uid, namespace = '', name = '' } = this.#pod.metadata ?? {}
    const preconditions = uid === undefined ? {} : { preconditions: { uid } }
    const options = { gracePeriodSeconds: 0, signal: this.#signal, ...preconditions }
    await this.#persist(() => this.#settings.client.delete(pods, { namespace, name }, options))
  }

  async #persist(write: () => Promise<unknown>): Promise<void> {
    const { online, clock } = this.#settings
    while (!this.#signal.aborted) {
      await online.pass(this.#signal)
      if (this.#signal.aborted) return
      try {
        await write()
        return
      } catch (error) {
        if (await this.#isGone(error)) throw new PodGone()
        if (this.#signal.aborted) return
        if (hasCode(error, 'Invalid')) throw error
        this.#complain(error)
      }
      await sleep(clock, retryMs, this.#signal)
    }
  }

  /** A uid that is not the pod's is a conflict or invalid where another has its name; both have other causes too. */
  async #isGone(refusal: unknown): Promise<boolean> {
    if (!hasCode(refusal, 'Conflict', 'Invalid')) return hasCode(refusal, 'NotFound')
    const { uid, namespace = '', name = '' } = this.#pod.metadata ?? {}
    try {
      return (await this.#settings.client.get(pods, { namespace, name }, this.#signal)).metadata?.uid !== uid
    } catch (error) {
      return hasCode(error, 'NotFound')
    }
  }

  /** A kubelet that may not write goes on trying: an API server that has just started may know no rights yet. */
  #complain(error: unknown): void {
    if (this.#hasComplained || !hasCode(error, 'Forbidden', 'Unauthorized')) return
    this.#hasComplained = true
    this.#settings.onError(error)
  }
}
