import type { LeaseSpec } from 'kubernetes-types/coordination/v1.js'
import type { Node } from 'kubernetes-types/core/v1.js'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { KubeClient, Patch } from '../../kube/client.ts'
import { type Clock, realClock, sleep, type Timer } from '../../kube/clock.ts'
import { leases, nodes } from '../../kube/core-resources.ts'
import type { VirtualKernel } from '../kernel/virtual-kernel.ts'
import type { Machine } from '../qemu/machine.ts'
import type { NodeBackend } from './backend.ts'
import type { PodRules } from './behaviour.ts'
import { Gate } from './gate.ts'
import { Kubelet } from './kubelet.ts'
import { defaultKubeletTimes, type KubeletTimes } from './kubelet-settings.ts'
import { NodeImages } from './node-images.ts'
import { buildNode, buildNodeStatus, type NodeFacts } from './node-object.ts'
import type { NodeTraits } from './node-traits.ts'
import type { PodFeed } from './pod-feed.ts'
import { type MachineSettings, type NodeMachineOptions, parseMachineKernel, QemuBackend } from './qemu-backend.ts'
import type { Slots } from './slots.ts'
import type { VirtualPrograms } from './process-container.ts'
import { VirtualBackend } from './virtual-backend.ts'

/** What a node of the sandbox is to be. */
export interface NodeOptions {
  name: string
  /** `uname -r`; `qemu:` before it makes it a real one, a stock Debian kernel in a machine of its own. */
  kernel: string
  /** Default amd64. */
  architecture?: string
  /** Besides those that every node has. */
  labels?: Readonly<Record<string, string>>
  taints?: readonly { key: string; value?: string; effect: string }[]
  /** Modules that are part of its kernel. */
  builtin?: readonly string[]
  /** How the machine of a real kernel differs from others. */
  machine?: NodeMachineOptions
  /** Heartbeats at this interval; default none but on demand. */
  heartbeatMs?: number
}

/** What all virtual nodes of a process share. */
export interface NodeSurroundings {
  client: KubeClient
  feed: PodFeed
  rules: PodRules
  slots: Slots
  workerImage: string
  /** Pods with a container of this image build images. */
  builderImage: string
  programs: VirtualPrograms
  /** What nodes with real kernels need; without it there can be none. */
  machines?: MachineSettings
  traits?: NodeTraits
  times?: Partial<KubeletTimes>
  clock?: Clock
  onError?: (error: unknown) => void
}

function createBackend(root: string, options: NodeOptions, surroundings: NodeSurroundings): NodeBackend {
  const { name, kernel, architecture = 'amd64', builtin = [], machine } = options
  const release = parseMachineKernel(kernel)
  const { programs, machines } = surroundings
  if (release === undefined)
    return new VirtualBackend({ nodeRoot: root, release: kernel, architecture, builtin }, programs)
  if (machines !== undefined) return new QemuBackend({ name, release, root, programs }, machines, machine)
  throw new KmmError(`node ${name} wants the real kernel ${release}, for which the sandbox has not been set up`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

/** A node that exists in the API through an ordinary client, with a root directory, a virtual kernel and a kubelet. */
export class VirtualNode {
  readonly name: string
  readonly root: string
  readonly backend: NodeBackend
  readonly kubelet: Kubelet
  readonly images: NodeImages
  readonly #options: NodeOptions
  readonly #surroundings: NodeSurroundings
  readonly #clock: Clock
  readonly #online = new Gate()
  readonly #stop = new AbortController()
  #ready = true
  readonly #timers = new Set<Timer>()

  constructor(root: string, options: NodeOptions, surroundings: NodeSurroundings) {
    this.name = options.name
    this.root = root
    this.#options = options
    this.#surroundings = surroundings
    this.#clock = surroundings.clock ?? realClock
    this.backend = createBackend(root, options, surroundings)
    this.images = new NodeImages(root, this.backend.architecture)
    const { client, rules, slots, workerImage, builderImage, times, onError } = surroundings
    this.kubelet = new Kubelet({
      nodeName: options.name,
      nodeRoot: root,
      client,
      clock: this.#clock,
      backend: this.backend,
      images: this.images,
      workerImage,
      builderImage,
      rules,
      slots,
      times: { ...defaultKubeletTimes, ...times },
      online: this.#online,
      onError: onError ?? ((error) => process.emitWarning(error instanceof Error ? error : String(error))),
    })
  }

  /** The virtual kernel of a node that has one. */
  get kernel(): VirtualKernel {
    if (this.backend instanceof VirtualBackend) return this.backend.kernel
    throw new KmmError(`the kernel of node ${this.name} is real: look at its machine`, { code: 'Invalid' })
  }

  /** True when its kernel is a real one. */
  get hasMachine(): boolean {
    return this.backend instanceof QemuBackend
  }

  /** The machine of a node with a real kernel. */
  get machine(): Machine {
    if (this.backend instanceof QemuBackend) return this.backend.machine
    throw new KmmError(`the kernel of node ${this.name} is virtual: it has no machine`, { code: 'Invalid' })
  }

  /** Registers the node, or takes over the Node of its name, and begins to run its pods. */
  async start(): Promise<void> {
    await this.backend.start()
    await this.register()
    this.#surroundings.feed.subscribe(this.name, this.kubelet)
    this.#beat()
    await this.#traits.observer?.untilReady(this.name, this.#stop.signal)
  }

  /** Stops everything that the node runs; its Node object stays. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const timer of this.#timers) timer.cancel()
    this.#surroundings.feed.unsubscribe(this.name)
    await this.kubelet.down()
    await this.backend.stop()
  }

  /** Creates the Node object if it is not there; a kubelet does so when it starts. */
  async register(): Promise<void> {
    const node = buildNode(this.#facts())
    try {
      const made = await this.#client.create(nodes, node)
      if (made.status?.nodeInfo === undefined) await this.#postStatus([])
    } catch (error) {
      if (!hasCode(error, 'AlreadyExists')) throw error
      await this.heartbeat()
    }
    await this.#createLease()
  }

  /** Posts the node's status, as a kubelet does every few minutes and when something has changed. */
  async heartbeat(): Promise<void> {
    const node = await this.#client.get(nodes, { name: this.name })
    await this.#postStatus(node.status?.conditions ?? [])
  }

  /**
   * Boots the node again, into another kernel if one is named. All processes end without a word; what is on its disk stays;
   * pods that restart go on when it is back. It is not Ready for `downMs`; 0 is a reboot that nobody noticed.
   */
  async reboot(options: { kernel?: string; downMs?: number } = {}): Promise<void> {
    const { kernel, downMs = 0 } = options
    const silent = downMs > 0 ? this.setReady(false) : Promise.resolve()
    // Looked at below, unless the machine does not come back.
    silent.catch(() => undefined)
    // On a real cluster it takes a while until somebody notices.
    if (this.#traits.observer === undefined) await silent
    await this.kubelet.down()
    await this.backend.reboot(kernel)
    await silent
    await sleep(this.#clock, downMs, this.#stop.signal)
    if (this.#stop.signal.aborted) return
    if (downMs > 0) await this.setReady(true)
    else if (this.#ready) await this.heartbeat()
    await this.kubelet.up(this.#stop.signal)
  }

  /** Installs and boots another kernel. */
  async upgradeKernel(release: string, downMs = 0): Promise<void> {
    await this.reboot({ kernel: release, downMs })
  }

  /**
   * Not ready: the kubelet falls silent, and the node is Unknown and tainted once this resolves. A real cluster takes a while
   * to find out; elsewhere the node shows it at once. What runs goes on and is reported when it is back.
   */
  async setReady(ready: boolean): Promise<void> {
    const { observer } = this.#traits
    this.#ready = ready
    if (!ready) this.#online.close()
    if (ready || observer === undefined) await this.heartbeat()
    if (!ready) return observer?.untilUnreachable(this.name, this.#stop.signal)
    await this.#renewLease()
    this.#online.open()
    await observer?.untilReady(this.name, this.#stop.signal)
  }

  /** Marks the node unschedulable, as `kubectl cordon` does; the node lifecycle controller adds the taint. */
  async cordon(): Promise<void> {
    await this.#patch({ type: 'merge', body: { spec: { unschedulable: true } } })
  }

  async uncordon(): Promise<void> {
    await this.#patch({ type: 'merge', body: { spec: { unschedulable: null } } })
  }

  async addTaint(key: string, effect: 'NoSchedule' | 'NoExecute' | 'PreferNoSchedule'): Promise<void> {
    await this.#setTaint(key, effect, true)
  }

  async removeTaint(key: string, effect: 'NoSchedule' | 'NoExecute' | 'PreferNoSchedule'): Promise<void> {
    await this.#setTaint(key, effect, false)
  }

  /** Adds, changes or, with null, removes labels. */
  async label(labels: Readonly<Record<string, string | null>>): Promise<void> {
    await this.#patch({ type: 'merge', body: { metadata: { labels } } })
  }

  /** The machine is gone: everything on it ends, and the Node object is deleted. */
  async delete(): Promise<void> {
    await this.stop()
    try {
      await this.#client.delete(nodes, { name: this.name })
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error
    }
  }

  get #client(): KubeClient {
    return this.#surroundings.client
  }

  get #traits(): NodeTraits {
    return this.#surroundings.traits ?? {}
  }

  #facts(): NodeFacts {
    const { kubeletPort } = this.#traits
    const { labels = {}, taints = [] } = this.#options
    return {
      name: this.name,
      kernelRelease: this.backend.release,
      bootId: this.backend.bootId,
      architecture: this.backend.architecture,
      labels,
      taints,
      ready: this.#ready,
      nowMs: this.#clock.now(),
      ...(kubeletPort === undefined ? {} : { kubeletPort }),
    }
  }

  async #postStatus(before: NonNullable<NonNullable<Node['status']>['conditions']>): Promise<void> {
    const status = buildNodeStatus(this.#facts(), before)
    await this.#client.patch(nodes, { name: this.name }, { type: 'merge', body: { status } }, { subresource: 'status' })
  }

  /** Makes the Lease by which a kubelet shows that it lives; where its namespace is missing, there is none. */
  async #createLease(): Promise<void> {
    const metadata = { name: this.name, namespace: 'kube-node-lease' }
    try {
      await this.#client.create(leases, { metadata, spec: this.#leaseSpec() })
    } catch (error) {
      if (hasCode(error, 'AlreadyExists')) await this.#renewLease()
      else if (!hasCode(error, 'NotFound')) throw error
    }
  }

  async #renewLease(): Promise<void> {
    const key = { name: this.name, namespace: 'kube-node-lease' }
    try {
      await this.#client.patch(leases, key, { type: 'merge', body: { spec: this.#leaseSpec() } })
    } catch (error) {
      if (!hasCode(error, 'NotFound')) throw error
    }
  }

  #leaseSpec(): LeaseSpec {
    const renewTime = new Date(this.#clock.now()).toISOString().replace('Z', '000Z')
    return { holderIdentity: this.name, leaseDurationSeconds: 40, renewTime }
  }

  async #patch(patch: Patch): Promise<Node> {
    return this.#client.patch(nodes, { name: this.name }, patch)
  }

  /** Guarded by the resourceVersion, since taints are a list that others write too. */
  async #setTaint(key: string, effect: string, present: boolean): Promise<void> {
    for (;;) {
      const node = await this.#client.get(nodes, { name: this.name })
      const taints = node.spec?.taints ?? []
      const others = taints.filter((taint) => taint.key !== key || taint.effect !== effect)
      if (others.length < taints.length === present) return
      const next = present ? [...others, { key, effect }] : others
      const resourceVersion = node.metadata?.resourceVersion
      try {
        await this.#patch({ type: 'merge', body: { metadata: { resourceVersion }, spec: { taints: next } } })
        return
      } catch (error) {
        if (!hasCode(error, 'Conflict')) throw error
      }
    }
  }

  /** Shows again and again that the node lives, as long as it is ready. */
  #beat(): void {
    this.#repeat(this.#options.heartbeatMs, () => this.heartbeat())
    this.#repeat(this.#traits.leaseRenewalMs, async () => {
      await this.#renewLease()
      // A cluster that once found it silent waits for its status.
      if (this.#traits.observer?.isReady(this.name) === false) await this.heartbeat()
    })
  }

  #repeat(everyMs: number | undefined, act: () => Promise<void>): void {
    if (everyMs === undefined || this.#stop.signal.aborted) return
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(timer)
      const acted = this.#ready ? act() : Promise.resolve()
      void acted.catch(() => undefined).finally(() => this.#repeat(everyMs, act))
    }, everyMs)
    this.#timers.add(timer)
  }
}
