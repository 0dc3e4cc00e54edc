import { readFileSync } from 'node:fs'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { KmmError } from '../../errors/error.ts'
import { logFileOf } from './container-run.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import type { PodListener } from './pod-feed.ts'
import { PodRun } from './pod-run.ts'

/** Runs the pods that are bound to one node. While it is down, as in a reboot, it only takes note of them. */
export class Kubelet implements PodListener {
  readonly #settings: KubeletSettings
  readonly #pods = new Map<string, Pod>()
  readonly #runs = new Map<string, PodRun>()
  readonly #ending = new Set<Promise<void>>()
  #up = true

  constructor(settings: KubeletSettings) {
    this.#settings = settings
  }

  podChanged(pod: Pod): void {
    const uid = pod.metadata?.uid ?? ''
    this.#pods.set(uid, pod)
    if (!this.#up) return
    const run = this.#runs.get(uid)
    if (run === undefined) this.#start(uid, pod)
    else run.podChanged(pod)
  }

  podGone(pod: Pod): void {
    const uid = pod.metadata?.uid ?? ''
    this.#pods.delete(uid)
    const run = this.#runs.get(uid)
    this.#runs.delete(uid)
    if (run !== undefined) this.#end(run.kill().then(() => run.clean()))
  }

  /** Everything on the node stops this instant, as when the power goes. */
  async down(): Promise<void> {
    this.#up = false
    const runs = [...this.#runs.values()]
    this.#runs.clear()
    await Promise.all([...runs.map((run) => run.kill()), ...this.#ending])
  }

  /** The node is back: its pods go on as a kubelet finds them. */
  up(): void {
    this.#up = true
    for (const [uid, pod] of this.#pods) this.#start(uid, pod)
  }

  /** Makes a running pod ready or not, as its readiness probe would. */
  async setPodReady(namespace: string, name: string, ready: boolean): Promise<void> {
    await this.#find(namespace, name).setReady(ready)
  }

  /** What a container has printed in its present run, or with `previous` in the one before. */
  readLog(namespace: string, name: string, container: string, previous = false): string {
    const uid = this.#uidOf(namespace, name)
    const restarts = this.#pods.get(uid)?.status?.containerStatuses?.[0]?.restartCount ?? 0
    const folder = this.#find(namespace, name).folder
    try {
      return readFileSync(logFileOf(folder, container, previous ? restarts - 1 : restarts), 'utf8')
    } catch {
      return ''
    }
  }

  #uidOf(namespace: string, name: string): string {
    const entries = [...this.#pods]
    const found = entries.find(([, { metadata }]) => metadata?.namespace === namespace && metadata.name === name)
    return found?.[0] ?? ''
  }

  #find(namespace: string, name: string): PodRun {
    const run = this.#runs.get(this.#uidOf(namespace, name))
    if (run === undefined)
      throw new KmmError(`pod ${namespace}/${name} does not run on node ${this.#settings.nodeName}`, {
        code: 'NotFound',
      })
    return run
  }

  #start(uid: string, pod: Pod): void {
    const run = new PodRun(this.#settings, pod)
    this.#runs.set(uid, run)
    run.start()
  }

  #end(work: Promise<void>): void {
    this.#ending.add(work)
    void work.finally(() => this.#ending.delete(work))
  }
}
