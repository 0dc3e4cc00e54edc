import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import type { Store } from '../../src/sandbox/apiserver/store.ts'
import { nodes } from '../../src/sandbox/controllers/controller.ts'
import { moduleNameLabel } from '../../src/api/labels.ts'
import type { Chance } from './chance.ts'
import { ModelKernel } from './kernel.ts'
import { Kubelet } from './kubelet.ts'
import { needsModule } from './plugin-pod.ts'
import type { ModelRegistry } from './registry.ts'
import type { VirtualTime } from './time.ts'
import type { Trace } from './trace.ts'
import { type Bench, type End, failForNoReason, fetchImage, insert, killed, remove, type Task } from './worker.ts'

/** What all machines share. */
export interface MachineParts {
  store: Store
  time: VirtualTime
  chance: Chance
  trace: Trace
  registry: ModelRegistry
  /** The share of workers that fail for no reason. */
  flakiness(): number
  /** Told before a worker changes the kernel. */
  onEffect(machine: Machine, task: Task, pod: ApiObject): void
  /** Told after a boot, and after anything changed in the kernel. */
  onKernel(machine: Machine): void
}

/** How a machine comes up. */
export interface BootOptions {
  release: string
  /** How long it is down. */
  downMs: number
}

const unknownAfterMs = 40_000

/** One machine: a kernel, a kubelet, and the Node that it keeps. */
export class Machine {
  readonly name: string
  readonly kubelet: Kubelet
  readonly #parts: MachineParts
  readonly #labels: Readonly<Record<string, string>>
  readonly #chance: Chance
  kernel: ModelKernel
  /** When it last came up. */
  bootedAtMs: number
  boots = 0
  up = true
  connected = true
  /** Somebody uses kernel modules here. */
  busy = false

  constructor(name: string, labels: Readonly<Record<string, string>>, release: string, parts: MachineParts) {
    this.name = name
    this.#parts = parts
    this.#labels = labels
    this.#chance = parts.chance.fork(name)
    this.kernel = new ModelKernel(release, `${name}-boot-0`)
    this.bootedAtMs = parts.time.now()
    this.kubelet = new Kubelet({
      node: name,
      store: parts.store,
      time: parts.time,
      chance: this.#chance,
      bootCount: () => this.boots,
      isUp: () => this.up,
      isConnected: () => this.connected,
      work: (task, pod, stopping) => this.#work(task, pod, stopping),
    })
    this.#register()
  }

  /** Goes down, and comes up after a while with nothing in its kernel. */
  reboot({ release, downMs }: BootOptions): void {
    const { time } = this.#parts
    this.#goDown()
    const { boots } = this
    time.setTimeout(() => {
      if (this.boots === boots && !this.up) this.#comeUp(release)
    }, downMs)
    this.#noticeSilence()
  }

  /** Is cut off, or loses its power. */
  vanish(how: 'network' | 'power'): void {
    this.connected = false
    if (how === 'power') this.#goDown()
    this.#noticeSilence()
  }

  /** Comes back; one without power boots. */
  comeBack(release = this.kernel.release): void {
    this.connected = true
    if (!this.up) return this.#comeUp(release)
    this.#register()
    this.kubelet.resync()
  }

  /** The Node is deleted while the machine runs on; its kubelet makes a new one after a while. */
  loseNodeObject(awayMs: number): void {
    const { store, time } = this.#parts
    store.delete(nodes, { name: this.name })
    time.setTimeout(() => {
      if (this.up && this.connected && this.node === undefined) this.#register()
    }, awayMs)
  }

  /** The Node is deleted, and the machine with it. */
  scrap(): void {
    this.connected = false
    this.#goDown()
    this.kubelet.forget()
    const { store } = this.#parts
    if (store.find(nodes, { name: this.name })) store.delete(nodes, { name: this.name })
  }

  get node(): ApiObject | undefined {
    return this.#parts.store.find(nodes, { name: this.name })
  }

  #goDown(): void {
    this.up = false
    this.boots++
    this.kernel = new ModelKernel(this.kernel.release, `${this.name}-boot-${this.boots}`)
    this.#parts.onKernel(this)
  }

  #comeUp(release: string): void {
    const { time, trace } = this.#parts
    this.up = true
    this.kernel = new ModelKernel(release, `${this.name}-boot-${this.boots}`)
    this.bootedAtMs = time.now()
    trace.say(`machine ${this.name} is up with kernel ${release}, ${this.kernel.bootId}`)
    this.#parts.onKernel(this)
    this.kubelet.recover()
    const boot = this.boots
    const ifStill = (act: () => void) => (): void => {
      if (this.boots === boot && this.up && this.connected) act()
    }
    // Node and pods are told of in no order.
    time.setTimeout(
      ifStill(() => this.#register()),
      this.#chance.between(100, 4_000),
    )
    time.setTimeout(
      ifStill(() => this.kubelet.resync()),
      this.#chance.between(100, 4_000),
    )
  }

  /** Writes the Node as the kubelet does; makes it where there is none. */
  #register(): void {
    const { store, time } = this.#parts
    const { name } = this
    if (store.find(nodes, { name }) === undefined)
      store.create(nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { ...this.#labels } }, spec: {} })
    const node = store.get(nodes, { name })
    const nodeInfo = { kernelVersion: this.kernel.release, bootID: this.kernel.bootId, architecture: 'amd64' }
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: null }
    const at = new Date(time.now()).toISOString()
    const status = { nodeInfo, conditions: [{ ...ready, lastTransitionTime: at }] }
    store.update(nodes, { ...node, status }, { subresource: 'status' })
  }

  /** A node that says nothing for so long becomes Unknown. */
  #noticeSilence(): void {
    const { store, time } = this.#parts
    time.setTimeout(() => {
      const { node } = this
      if ((this.up && this.connected) || node === undefined) return
      const present = (node['status'] ?? {}) as Record<string, unknown>
      const condition = { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown' }
      store.update(nodes, { ...node, status: { ...present, conditions: [condition] } }, { subresource: 'status' })
    }, unknownAfterMs)
  }

  #isPluginOf(owner: string): boolean {
    return this.kubelet.runsPluginOf(
      (pod) =>
        needsModule(pod) && `${pod.metadata.namespace}/${pod.metadata.labels?.[moduleNameLabel] ?? ''}` === owner,
    )
  }

  #pause(low: number, high: number): Promise<void> {
    return new Promise((resolve) => this.#parts.time.setTimeout(resolve, this.#chance.between(low, high)))
  }

  async #work(task: Task, pod: ApiObject, stopping: () => boolean): Promise<End | undefined> {
    const { registry, trace } = this.#parts
    const boot = this.boots
    const chance = this.#chance
    const bench = (): Bench => ({
      kernel: this.kernel,
      registry,
      chance,
      nowMs: this.#parts.time.now(),
      isBusy: (_name, owner) => this.busy || this.#isPluginOf(owner),
      onEffect: (each) => this.#parts.onEffect(this, each, pod),
    })
    await this.#pause(30, chance.happens(0.1) ? 20_000 : 1_500)
    if (boot !== this.boots) return undefined
    if (stopping()) return killed
    if (chance.happens(this.#parts.flakiness())) return failForNoReason(task, bench())
    const digest = task.action === 'Load' ? fetchImage(task, bench()) : ''
    if (typeof digest !== 'string') return digest
    await this.#pause(5, chance.happens(0.1) ? 6_000 : 200)
    if (boot !== this.boots) return undefined
    // A signal may come before modprobe has done its work, or too late.
    if (stopping() && chance.happens(0.5)) return killed
    const end = task.action === 'Load' ? insert(task, digest, bench()) : remove(task, bench())
    const name = task.config.modprobe.moduleName ?? ''
    trace.say(
      `machine ${this.name}: ${task.action} ${name} of ${task.config.containerImage} ends with ${end.exitCode}; ${this.#describe()}`,
    )
    this.#parts.onKernel(this)
    await this.#pause(2, chance.happens(0.1) ? 3_000 : 100)
    return boot === this.boots ? end : undefined
  }

  #describe(): string {
    const loaded = [...this.kernel.modules.values()].map(({ name, image, parameters }) =>
      [name, image, ...parameters].join(' '),
    )
    return `in the kernel: ${loaded.join(', ') || 'nothing'}`
  }
}
