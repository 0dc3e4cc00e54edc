import type { Readable } from 'node:stream'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { KmmError } from '../../errors/error.ts'
import { sleep } from '../../kube/clock.ts'
import { pods } from '../../kube/core-resources.ts'
import { isOlder } from '../../kube/resource-version.ts'
import { type LogSelection, logFileOf, readContainerLog } from './container-log.ts'
import type { KubeletSettings } from './kubelet-settings.ts'
import type { PodListener } from './pod-feed.ts'
import { PodRun } from './pod-run.ts'

const retryMs = 100

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
    for (const run of this.#runs.values()) this.#end(run.kill())
    this.#runs.clear()
    await Promise.all(this.#ending)
  }

  /** The node is back: its pods go on as a kubelet finds them, unless the signal is aborted before. */
  async up(signal: AbortSignal): Promise<void> {
    await this.#refresh(signal)
    if (signal.aborted) return
    this.#up = true
    for (const [uid, pod] of this.#pods) this.#start(uid, pod)
  }

  /** Asks the API server for what it knows: the last words of what ran before may not have come back on the watch. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { client, clock, nodeName } = this.#settings
    const list = async (): Promise<readonly Pod[] | undefined> => {
      const answer = await client
        .list(pods, { fieldSelector: `spec.nodeName=${nodeName}`, signal })
        .catch(() => undefined)
      return answer?.items
    }
    let items = await list()
    for (; items === undefined && !signal.aborted; items = await list()) await sleep(clock, retryMs, signal)
    for (const pod of items ?? []) this.#renew(pod)
  }

  /** Takes note of a newer state of a pod that the watch has told of. */
  #renew(pod: Pod): void {
    const { uid = '', resourceVersion = '' } = pod.metadata ?? {}
    const known = this.#pods.get(uid)?.metadata?.resourceVersion ?? ''
    if (isOlder(known, resourceVersion)) this.#pods.set(uid, pod)
  }

  /** Makes a running pod ready or not, as its readiness probe would. */
  async setPodReady(namespace: string, name: string, ready: boolean): Promise<void> {
    await this.#find(namespace, name).setReady(ready)
  }

  /** What a container has printed in its present run, or in the one before; undefined where there is no log. */
  async readLog(
    pod: { uid: string; container: string; previous: boolean },
    selection: LogSelection,
  ): Promise<string | Readable | undefined> {
    const run = this.#runs.get(pod.uid)
    if (run === undefined) return undefined
    const restarts = run.restartCount - (pod.previous ? 1 : 0)
    const isRunning = (): boolean => !pod.previous && run.isRunning
    const log = await readContainerLog(logFileOf(run.folder, pod.container, restarts), selection, isRunning)
    // What only behaves prints nothing.
    return log ?? (run.hasStarted && restarts >= 0 ? '' : undefined)
  }

  /** The pod of this name, if it is bound to the node. */
  findPod(namespace: string, name: string): Pod | undefined {
    for (const pod of this.#pods.values())
      if (pod.metadata?.namespace === namespace && pod.metadata.name === name) return pod
    return undefined
  }

  #find(namespace: string, name: string): PodRun {
    const run = this.#runs.get(this.findPod(namespace, name)?.metadata?.uid ?? '')
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
    const ending = work.catch(this.#settings.onError).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }
}

/** Gives the kubelets of all virtual nodes. */
export type FindKubelets = () => readonly Kubelet[]
