import {
  getKernelModuleReadyNodeLabel,
  moduleNameLabel,
  moduleNamespaceLabel,
  workerActionLabel,
} from '../../src/api/labels.ts'
import { modules, nodeModulesConfigs } from '../../src/api/resources.ts'
import type { StoreEvent } from '../../src/sandbox/apiserver/history.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { nodes, pods } from '../../src/sandbox/controllers/controller.ts'
import { type Design, imageOf, keyOfDesign, moduleNames } from './design.ts'
import { asksToUnload, formatLoad, formatWish, leavesBehind, mayBeLeft, mayRelease, wantsAsItIs } from './facts.ts'
import type { Machine } from './machine.ts'
import { needsModule } from './plugin-pod.ts'
import type { Task } from './worker.ts'
import type { Witness, World } from './world.ts'

/** What must never be, and was. `rule` names the invariant. */
export interface Violation {
  rule: string
  text: string
}

/** News take so long at the most, with all delays and retries: what was asked for until then may still be acted on. */
const staleMs = 30_000
/** A label that no longer holds is withdrawn within this time, if an operator lives. */
const withdrawnWithinMs = 90_000
/** Whoever decides may not have heard yet of a pod that is so young. */
const newsMs = 5_000

const createdMs = ({ metadata }: ApiObject): number => Date.parse(metadata.creationTimestamp ?? '')

const keys = moduleNames.map(keyOfDesign)

const readyLabel = (key: string): string => {
  const [namespace = '', name = ''] = key.split('/')
  return getKernelModuleReadyNodeLabel(namespace, name)
}

const hasLabel = (node: ApiObject | undefined, key: string): boolean =>
  node?.metadata.labels?.[readyLabel(key)] !== undefined

/** What the kernel and the API say of one Module on one machine. */
interface Pair {
  machine: Machine
  key: string
  /** Somebody asks for an unload now, or did until then. */
  asked: boolean
  askedUntilMs: number
  /** Its entry may go now, or might until then. */
  released: boolean
  releasedUntilMs: number
  /** What is asked for of its version, and since when. */
  wish: string
  wishedMs: number
  /** Since when an unload stands that nobody asks for any more. */
  unloadSinceMs: number | undefined
  /** Boots of which a load was reported. */
  reportedBoots: Set<string>
  /** Since when the label says what is not so. */
  falseSinceMs: number | undefined
}

/** Watches every write and every change of a kernel for what must never be. */
export class Invariants implements Witness {
  readonly #world: World
  readonly #pairs: readonly Pair[]
  readonly #designs = new Map<string, Design>()
  violation: Violation | undefined

  constructor(world: World) {
    this.#world = world
    this.#pairs = world.machines.flatMap((machine) =>
      keys.map((key) => ({
        machine,
        key,
        asked: false,
        askedUntilMs: 0,
        released: false,
        releasedUntilMs: 0,
        unloadSinceMs: undefined,
        wish: '',
        wishedMs: 0,
        reportedBoots: new Set<string>(),
        falseSinceMs: undefined,
      })),
    )
    world.witness = this
    world.store.subscribe(nodes, (event) => this.#onNode(event))
    world.store.subscribe(modules, (event) => this.#onModule(event))
    if (world.wild) world.store.subscribe(nodeModulesConfigs, (event) => this.#onConfig(event))
    world.store.subscribe(pods, (event) => this.#onPod(event))
  }

  /** Looked at again and again: what may be false for a moment only. */
  check(): void {
    const nowMs = this.#world.time.now()
    for (const pair of this.#pairs) {
      const { machine, key } = pair
      const isFalse = hasLabel(machine.node, key) && machine.kernel.ofOwner(key) === undefined
      const excused = !isFalse || !machine.connected || !machine.up || !this.#world.isLed
      pair.falseSinceMs = excused ? undefined : (pair.falseSinceMs ?? nowMs)
      if (pair.falseSinceMs !== undefined && nowMs - pair.falseSinceMs > withdrawnWithinMs)
        this.#fail(
          'ready-label',
          `${machine.name} says for ${withdrawnWithinMs / 1000} s that ${key} is ready, and it is not in its kernel`,
        )
      this.#checkUnload(pair, nowMs)
    }
  }

  /** A newer intent cancels an unload: its pod goes. */
  #checkUnload(pair: Pair, nowMs: number): void {
    const { machine, key } = pair
    const world = this.#world
    const isTold = world.wild && world.isLed && world.weather.failures < 0.1
    const stands = isTold && wantsAsItIs(world, key, machine) ? this.#findUnload(pair) : undefined
    pair.unloadSinceMs = stands === undefined ? undefined : (pair.unloadSinceMs ?? nowMs)
    if (pair.unloadSinceMs !== undefined && nowMs - pair.unloadSinceMs > withdrawnWithinMs)
      this.#fail('unload-stands', `${stands} is to unload ${key} from ${machine.name}, where it is wanted as it is`)
  }

  #findUnload({ machine, key }: Pair): string | undefined {
    const found = this.#world.store.list(pods).find(({ metadata, ...pod }) => {
      const { labels = {}, namespace = '', deletionTimestamp } = metadata
      if (labels[workerActionLabel] !== 'Unload' || deletionTimestamp !== undefined) return false
      const owner = `${labels[moduleNamespaceLabel] ?? namespace}/${labels[moduleNameLabel] ?? ''}`
      return owner === key && nodeNameOf({ ...pod, metadata } as ApiObject) === machine.name
    })
    return found?.metadata.name
  }

  onEffect(machine: Machine, task: Task, pod: ApiObject): void {
    if (task.action === 'Load') this.#onLoad(machine, task)
    else this.#onUnload(machine, task, pod)
  }

  onKernel(machine: Machine): void {
    for (const pair of this.#pairs) if (pair.machine === machine) this.#ask(pair)
  }

  #fail(rule: string, text: string): void {
    this.violation ??= { rule, text }
    this.#world.trace.say(`VIOLATION of ${rule}: ${text}`)
  }

  #pair(machine: Machine, key: string): Pair | undefined {
    return this.#pairs.find((pair) => pair.machine === machine && pair.key === key)
  }

  #ask(pair: Pair): void {
    const { key, machine } = pair
    if (leavesBehind(this.#world, key, machine)) this.#world.left.add(formatLoad(machine, key))
    const wish = formatWish(this.#world, key, machine)
    if (pair.wish !== wish) pair.wishedMs = this.#world.time.now()
    pair.wish = wish
    const released = mayRelease(this.#world, key, machine)
    if (pair.released && !released) pair.releasedUntilMs = this.#world.time.now()
    pair.released = released
    const asked = asksToUnload(this.#world, key, machine)
    if (pair.asked && !asked) pair.askedUntilMs = this.#world.time.now()
    pair.asked = asked
  }

  #onLoad(machine: Machine, { owner, config }: Task): void {
    const name = config.modprobe.moduleName ?? ''
    const present = machine.kernel.modules.get(name)
    if (present === undefined || present.image === config.containerImage) return
    if (mayBeLeft(this.#world, present.owner, machine)) return
    this.#fail(
      'two-versions',
      `${machine.name}: ${owner} loads ${config.containerImage} while ${present.image} is in the kernel`,
    )
  }

  #onUnload(machine: Machine, { owner, config }: Task, pod: ApiObject): void {
    const pair = this.#pair(machine, owner)
    if (pair === undefined) return
    const what = `${machine.name}: ${owner} is unloaded by ${pod.metadata.name}`
    const present = machine.kernel.modules.get(config.modprobe.moduleName ?? '')
    if (present && present.owner !== owner && !mayBeLeft(this.#world, present.owner, machine))
      this.#fail('unload-unasked', `${what}, and it is ${present.owner}'s`)
    const sinceMs = createdMs(pod) - staleMs
    if (!pair.asked && pair.askedUntilMs < sinceMs) this.#fail('unload-unasked', `${what}, and nobody asks for that`)
    if (hasLabel(machine.node, owner)) this.#fail('unload-ready', `${what} while the node is labelled ready`)
    const plugin = this.#world.store
      .list(pods)
      .find((each) => isPluginPod(each, machine.name, owner) && createdMs(each) + newsMs < createdMs(pod))
    if (plugin) this.#fail('unload-plugin', `${what} while ${plugin.metadata.name} is on the node`)
  }

  /** The plan drops what may go, and names what cannot leave unnoticed. */
  #onConfig({ type, object, before }: StoreEvent): void {
    const { name } = object.metadata
    // Others delete it as a whole.
    if (type === 'DELETED') return
    const [now, earlier] = [entriesOf(object), type === 'ADDED' ? [] : entriesOf(before)]
    const sinceMs = this.#world.time.now() - staleMs
    for (const pair of this.#pairs.filter((each) => each.machine.name === name)) {
      const { key, released, releasedUntilMs } = pair
      const isDropped = earlier.includes(key) && !now.includes(key)
      if (isDropped && !released && releasedUntilMs < sinceMs && !this.#isOnTheWay(pair, before))
        this.#fail('entry-dropped', `${key} is taken out of the plan of ${name}, and nobody asks for that`)
      const finalizers = this.#world.module(key)?.metadata.finalizers ?? []
      if (now.includes(key) && !earlier.includes(key) && finalizers.length === 0)
        this.#fail('entry-unheld', `${key} is put into the plan of ${name}, and nothing holds the Module`)
    }
  }

  /** An ordered upgrade takes the old version out of the plan before it names the new one. */
  #isOnTheWay({ key, machine, wishedMs }: Pair, before: ApiObject | undefined): boolean {
    const design = this.#world.designs.get(key)
    if (design?.versioned !== true) return false
    const image = listEntries(before).find((each) => keyOfDesign(each) === key)?.config?.containerImage
    return image !== imageOf(design, machine.kernel.release) || wishedMs > this.#world.time.now() - staleMs
  }

  #onModule({ type, object }: StoreEvent): void {
    const key = `${object.metadata.namespace}/${object.metadata.name}`
    const design = this.#world.designs.get(key)
    // What a user asked for for a moment may be acted on later.
    if (design !== this.#designs.get(key) && design?.policy !== 'Never')
      for (const pair of this.#pairs) if (pair.key === key) pair.askedUntilMs = this.#world.time.now()
    if (design) this.#designs.set(key, design)
    for (const pair of this.#pairs) if (pair.key === key) this.#ask(pair)
    if (type !== 'DELETED') return
    for (const machine of this.#world.machines)
      if (machine.kernel.ofOwner(key) && !mayBeLeft(this.#world, key, machine))
        this.#fail('deleted-loaded', `Module ${key} is gone, and ${machine.name} still has it in its kernel`)
  }

  #onNode({ type, object, before }: StoreEvent): void {
    const machine = this.#world.machines.find(({ name }) => name === object.metadata.name)
    if (machine === undefined) return
    this.onKernel(machine)
    if (type === 'DELETED') return
    for (const key of keys)
      if (hasLabel(object, key) && !hasLabel(type === 'ADDED' ? undefined : before, key))
        this.#onReady(machine, object, key)
  }

  #onReady(machine: Machine, node: ApiObject, key: string): void {
    const pair = this.#pair(machine, key)
    if (pair?.reportedBoots.has(bootOf(node)) !== true)
      this.#fail(
        'ready-unreported',
        `${machine.name} is labelled ready for ${key}, and no worker has reported a load in ${bootOf(node)}`,
      )
    const isCurrent = machine.up && machine.kernel.bootId === bootOf(node)
    if (isCurrent && machine.kernel.ofOwner(key) === undefined)
      this.#fail('ready-absent', `${machine.name} is labelled ready for ${key}, which is not in its kernel`)
  }

  #onPod({ type, object }: StoreEvent): void {
    const { labels = {}, namespace = '' } = object.metadata
    if (labels[workerActionLabel] !== 'Load') return
    const key = `${labels[moduleNamespaceLabel] ?? namespace}/${labels[moduleNameLabel] ?? ''}`
    const machine = this.#world.machines.find(({ name }) => name === nodeNameOf(object))
    const isUnseen = type === 'DELETED' && !this.#world.isLed
    if (machine && isUnseen) this.#world.unseen.add(formatLoad(machine, key))
    const bootId = readReportedBoot(object)
    if (machine && bootId !== undefined) this.#pair(machine, key)?.reportedBoots.add(bootId)
  }
}

interface Entry {
  namespace: string
  name: string
  config?: { containerImage: string }
}

const listEntries = (config: ApiObject | undefined): readonly Entry[] =>
  ((config?.['spec'] ?? {}) as { modules?: Entry[] }).modules ?? []

const entriesOf = (config: ApiObject | undefined): string[] => listEntries(config).map(keyOfDesign)

const nodeNameOf = (pod: ApiObject): string => (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? ''

function bootOf(node: ApiObject | undefined): string {
  return (node?.['status'] as { nodeInfo?: { bootID?: string } } | undefined)?.nodeInfo?.bootID ?? ''
}

function isPluginPod(pod: ApiObject, node: string, key: string): boolean {
  const { labels = {}, namespace, ownerReferences = [] } = pod.metadata
  const isDaemon = ownerReferences.some(({ kind }) => kind === 'DaemonSet')
  return (
    isDaemon && needsModule(pod) && nodeNameOf(pod) === node && `${namespace}/${labels[moduleNameLabel] ?? ''}` === key
  )
}

/** The boot of which a worker that ended well tells. */
function readReportedBoot(pod: ApiObject): string | undefined {
  const { containerStatuses = [] } = (pod['status'] ?? {}) as {
    containerStatuses?: { state?: { terminated?: { exitCode: number; message?: string } } }[]
  }
  const { terminated } = containerStatuses[0]?.state ?? {}
  if (terminated?.exitCode !== 0) return undefined
  return (JSON.parse(terminated.message ?? '{}') as { bootID?: string }).bootID
}
