import { sameJson, type ApiObject } from '../../src/sandbox/apiserver/object.ts'
import type { StoreEvent } from '../../src/sandbox/apiserver/history.ts'
import type { Store } from '../../src/sandbox/apiserver/store.ts'
import { keyOfObject, pods, remove as removeObject } from '../../src/sandbox/controllers/controller.ts'
import { type Condition, setCondition } from '../../src/sandbox/controllers/pod-conditions.ts'
import { hasCode } from '../../src/errors/error.ts'
import type { Chance } from './chance.ts'
import type { VirtualTime } from './time.ts'
import { type End, killed, readTask, type Task } from './worker.ts'

type ContainerState = Record<string, unknown>

/** A pod as its kubelet keeps it; it outlives a reboot, as the containers of a real machine do. */
interface Runtime {
  object: ApiObject
  task: Task | undefined
  phase: 'Pending' | 'Running' | 'Succeeded'
  state: ContainerState
  last: ContainerState
  restarts: number
  ready: boolean
  /** It is to end: the pod is being deleted, or is gone. */
  stopping: boolean
  /** Its life is being led in the present boot. */
  active: boolean
  wake: () => void
}

/** What a kubelet works with. */
export interface KubeletParts {
  node: string
  store: Store
  time: VirtualTime
  chance: Chance
  /** Counts boots; a life that was begun in an earlier one is over. */
  bootCount(): number
  isUp(): boolean
  /** It can reach the API server. */
  isConnected(): boolean
  /** Runs a worker to its end; undefined when the machine went down meanwhile. */
  work(task: Task, pod: ApiObject, stopping: () => boolean): Promise<End | undefined>
}

const waiting = (reason: string): ContainerState => ({ waiting: { reason } })

/** Runs the pods of one machine, late and out of step, as kubelets do. */
export class Kubelet {
  readonly #parts: KubeletParts
  readonly #runtimes = new Map<string, Runtime>()

  constructor(parts: KubeletParts) {
    this.#parts = parts
    parts.store.subscribe(pods, (event) => this.#onPod(event))
  }

  /** The plugin containers that run, by `namespace/name` of their pod's Module. */
  runsPluginOf(isOf: (pod: ApiObject) => boolean): boolean {
    return [...this.#runtimes.values()].some(
      ({ task, state, object }) => task === undefined && 'running' in state && isOf(object),
    )
  }

  /** The machine has booted: finds what became of its containers. */
  recover(): void {
    for (const runtime of this.#runtimes.values()) this.#recover(runtime)
  }

  /** Looks at everything anew: after a boot, and when the network is back. */
  resync(): void {
    const { store, node } = this.#parts
    const present = store.list(pods).filter((pod) => nodeOf(pod) === node)
    const uids = new Set(present.map(({ metadata }) => metadata.uid))
    for (const pod of present) this.#notice(pod)
    for (const [uid, runtime] of this.#runtimes) {
      if (!uids.has(uid)) this.#stop(runtime)
      else this.#post(runtime)
    }
  }

  /** The machine is thrown away. */
  forget(): void {
    this.#runtimes.clear()
  }

  #onPod({ type, object }: StoreEvent): void {
    if (nodeOf(object) !== this.#parts.node) return
    if (type === 'DELETED') {
      this.#later(() => {
        const runtime = this.#runtimes.get(object.metadata.uid ?? '')
        if (runtime) this.#stop(runtime)
      })
    } else if (!this.#runtimes.has(object.metadata.uid ?? '') || object.metadata.deletionTimestamp !== undefined)
      this.#later(() => this.#notice(object))
  }

  /** The kubelet hears of things a little later, and not at all without a network. */
  #later(act: () => void): void {
    const { time, chance } = this.#parts
    time.setTimeout(
      () => {
        if (this.#isReachable()) act()
      },
      chance.between(5, chance.happens(0.1) ? 4_000 : 150),
    )
  }

  #notice(object: ApiObject): void {
    const uid = object.metadata.uid ?? ''
    const found = this.#parts.store.find(pods, keyOfObject(object))
    if (found?.metadata.uid !== uid) return
    const known = this.#runtimes.get(uid)
    if (known === undefined && hasEnded(found)) return
    const runtime = known ?? {
      object: found,
      task: readTask(found),
      phase: 'Pending' as const,
      state: waiting('ContainerCreating'),
      last: {},
      restarts: 0,
      ready: false,
      stopping: false,
      active: false,
      wake: () => undefined,
    }
    this.#runtimes.set(uid, runtime)
    if (found.metadata.deletionTimestamp !== undefined) this.#stop(runtime)
    else this.#start(runtime)
  }

  #start(runtime: Runtime): void {
    if (runtime.active || runtime.stopping || runtime.phase === 'Succeeded') return
    runtime.active = true
    void this.#lead(runtime, this.#parts.bootCount())
  }

  #stop(runtime: Runtime): void {
    if (runtime.stopping && runtime.active) return
    runtime.stopping = true
    runtime.wake()
    if (!runtime.active) void this.#finish(runtime, this.#parts.bootCount())
  }

  /** What ran when the machine went down has failed. */
  #recover(runtime: Runtime): void {
    runtime.active = false
    runtime.ready = false
    const { terminated } = runtime.state as { terminated?: { exitCode: number } }
    // The runtime still knows how the container ended, report and all.
    if (terminated?.exitCode === 0 && runtime.phase === 'Running') runtime.phase = 'Succeeded'
    if (!('running' in runtime.state)) return
    runtime.last = { terminated: { exitCode: 255, reason: 'Unknown', message: '' } }
    runtime.state = waiting('CrashLoopBackOff')
    runtime.restarts++
  }

  #isReachable(): boolean {
    return this.#parts.isUp() && this.#parts.isConnected()
  }

  #isOver(boot: number): boolean {
    return boot !== this.#parts.bootCount() || !this.#parts.isUp()
  }

  /** Waits, or not for so long when the pod is to end. */
  #pause(runtime: Runtime, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.time.setTimeout(() => resolve(), ms)
      runtime.wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }

  async #lead(runtime: Runtime, boot: number): Promise<void> {
    const { chance } = this.#parts
    await this.#pause(runtime, chance.between(20, chance.happens(0.1) ? 5_000 : 400))
    while (!this.#isOver(boot) && !runtime.stopping) {
      runtime.phase = 'Running'
      runtime.state = { running: { startedAt: new Date(this.#parts.time.now()).toISOString() } }
      runtime.ready = runtime.task === undefined
      this.#post(runtime)
      if (await this.#runOnce(runtime, boot)) return
    }
    if (!this.#isOver(boot)) await this.#finish(runtime, boot)
  }

  /** Runs the container once; true when that was the end of it, or of the boot. */
  async #runOnce(runtime: Runtime, boot: number): Promise<boolean> {
    const { chance } = this.#parts
    const end = await this.#runContainer(runtime, boot)
    if (end === undefined || this.#isOver(boot)) return true
    const reason = end.exitCode === 0 ? 'Completed' : end.exitCode === 137 ? 'OOMKilled' : 'Error'
    runtime.ready = false
    runtime.state = { terminated: { exitCode: end.exitCode, reason, message: end.message } }
    this.#post(runtime)
    if (runtime.stopping) return false
    if (end.exitCode === 0) return this.#succeed(runtime, boot)
    const backoffMs = Math.min(10_000 * 2 ** runtime.restarts, 300_000)
    await this.#pause(runtime, chance.between(200, 1_000))
    if (this.#isOver(boot)) return true
    runtime.last = runtime.state
    runtime.restarts++
    runtime.state = waiting('CrashLoopBackOff')
    this.#post(runtime)
    await this.#pause(runtime, backoffMs)
    return this.#isOver(boot)
  }

  /** The phase follows its container late. */
  async #succeed(runtime: Runtime, boot: number): Promise<boolean> {
    await this.#pause(runtime, this.#parts.chance.between(300, 3_000))
    if (this.#isOver(boot)) return true
    runtime.phase = 'Succeeded'
    this.#post(runtime)
    runtime.active = false
    return !runtime.stopping
  }

  async #runContainer(runtime: Runtime, boot: number): Promise<End | undefined> {
    if (runtime.task) return this.#parts.work(runtime.task, runtime.object, () => runtime.stopping)
    while (!runtime.stopping) await this.#pause(runtime, 1_000_000_000)
    if (this.#isOver(boot)) return undefined
    const { chance, time } = this.#parts
    // A plugin takes its time to end.
    await new Promise<void>((resolve) =>
      time.setTimeout(resolve, chance.between(10, chance.happens(0.2) ? 25_000 : 1_500)),
    )
    return killed
  }

  /** Tells how the pod ended, and lets it go. */
  async #finish(runtime: Runtime, boot: number): Promise<void> {
    runtime.active = true
    const { time, chance } = this.#parts
    if (!('terminated' in runtime.state))
      runtime.state = { terminated: { exitCode: 137, reason: 'Error', message: '' } }
    runtime.ready = false
    this.#write(runtime)
    await new Promise<void>((resolve) => time.setTimeout(resolve, chance.between(10, 600)))
    if (this.#isOver(boot)) return
    runtime.active = false
    if (!this.#parts.isConnected()) return
    this.#write(runtime)
    this.#runtimes.delete(runtime.object.metadata.uid ?? '')
    removeObject(this.#parts.store, pods, runtime.object, { gracePeriodSeconds: 0 })
  }

  /** Tells the API server how the pod is, soon. */
  #post(runtime: Runtime): void {
    const { time, chance } = this.#parts
    time.setTimeout(() => this.#write(runtime), chance.between(2, chance.happens(0.05) ? 2_500 : 60))
  }

  #write(runtime: Runtime): void {
    const { store } = this.#parts
    if (!this.#isReachable()) return
    const found = store.find(pods, keyOfObject(runtime.object))
    if (found === undefined || found.metadata.uid !== runtime.object.metadata.uid) return
    const status = renderStatus(runtime, found, this.#parts.time.now())
    if (sameJson(status, found['status'])) return
    try {
      store.update(pods, { ...found, status }, { subresource: 'status' })
    } catch (error) {
      if (!hasCode(error, 'NotFound', 'Conflict')) throw error
    }
  }
}

const nodeOf = (pod: ApiObject): string => (pod as { spec?: { nodeName?: string } }).spec?.nodeName ?? ''

function hasEnded(pod: ApiObject): boolean {
  const { phase } = (pod['status'] ?? {}) as { phase?: string }
  return phase === 'Succeeded' || phase === 'Failed'
}

function renderStatus(runtime: Runtime, found: ApiObject, nowMs: number): Record<string, unknown> {
  const present = (found['status'] ?? {}) as { conditions?: Condition[] }
  const spec = (found as { spec?: { containers?: { name: string; image: string }[] } }).spec
  const container = spec?.containers?.[0]
  return {
    ...present,
    phase: runtime.phase,
    conditions: setCondition(present.conditions, { type: 'Ready', status: runtime.ready ? 'True' : 'False' }, nowMs),
    containerStatuses: [
      {
        name: container?.name ?? '',
        image: container?.image ?? '',
        imageID: '',
        ready: runtime.ready,
        restartCount: runtime.restarts,
        state: runtime.state,
        lastState: runtime.last,
      },
    ],
  }
}
