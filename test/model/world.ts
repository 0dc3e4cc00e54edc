import type { Module } from '../../src/api/module.ts'
import * as kmm from '../../src/api/resources.ts'
import type { NodeModulesConfig } from '../../src/api/node-modules-config.ts'
import { builtInResources } from '../../src/sandbox/apiserver/built-in-resources.ts'
import { builtInStrategies } from '../../src/sandbox/apiserver/built-in-strategies.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { Store } from '../../src/sandbox/apiserver/store.ts'
import { customStrategy, plainStrategy } from '../../src/sandbox/apiserver/strategy.ts'
import { formatGroupResource } from '../../src/sandbox/apiserver/object.ts'
import { namespaces, nodes } from '../../src/sandbox/controllers/controller.ts'
import { startDaemonSets } from '../../src/sandbox/controllers/daemon-set.ts'
import { startGarbageCollector } from '../../src/sandbox/controllers/garbage-collector.ts'
import { startNamespaceDeletion } from '../../src/sandbox/controllers/namespace-deletion.ts'
import { startNodeLifecycle } from '../../src/sandbox/controllers/node-lifecycle.ts'
import { startPodEviction } from '../../src/sandbox/controllers/pod-eviction.ts'
import { startPodGc } from '../../src/sandbox/controllers/pod-gc.ts'
import { startPodsOfSilentNodes } from '../../src/sandbox/controllers/pods-of-silent-nodes.ts'
import { startScheduler } from '../../src/sandbox/controllers/scheduler.ts'
import { type Chance, createChance } from './chance.ts'
import type { Weather } from './client.ts'
import { buildModule, type Design, imageOf, kernels, keyOfDesign, moduleNames, tags } from './design.ts'
import { formatLoad } from './facts.ts'
import { Machine } from './machine.ts'
import { refuseWithoutNamespace } from './namespace-lifecycle.ts'
import { OperatorLife, operatorNamespace } from './operator-life.ts'
import { ModelRegistry } from './registry.ts'
import { VirtualTime } from './time.ts'
import { createTrace, type Trace } from './trace.ts'
import type { Task } from './worker.ts'

const customKinds = [kmm.modules, kmm.nodeModulesConfigs, kmm.moduleImagesConfigs, kmm.preflightValidations]

const machineLabels: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  n1: { role: 'worker', tier: 'gold' },
  n2: { role: 'worker', tier: 'gold' },
  n3: { role: 'worker' },
  n4: { role: 'edge', tier: 'gold' },
}

/** So long a NodeModulesConfig may take to be as it was after somebody has deleted it. */
const rememberedMs = 120_000

/** Who watches the world while it runs. */
export interface Witness {
  onEffect(machine: Machine, task: Task, pod: ApiObject): void
  onKernel(machine: Machine): void
}

function createStore(time: VirtualTime): Store {
  let uids = 0
  const newUid = (): string => `uid-${++uids}`
  const store = new Store({ now: () => time.now(), newUid, historySize: 2_000 })
  for (const resource of builtInResources) {
    const strategy = builtInStrategies[formatGroupResource(resource)] ?? plainStrategy
    store.define({ ...resource, strategy })
  }
  for (const resource of customKinds) store.define({ ...resource, strategy: customStrategy(true) })
  return store
}

/** Four machines, a control plane, a registry, and an operator, all in memory and in virtual time. */
export class World {
  readonly wild: boolean
  readonly chance: Chance
  readonly time: VirtualTime
  readonly trace: Trace
  readonly store: Store
  readonly registry: ModelRegistry
  readonly machines: readonly Machine[]
  /** What the user last asked for, also of Modules that are gone. */
  readonly designs = new Map<string, Design>()
  readonly weather: Weather & { slowKinds: Set<string>; failures: number }
  readonly #lives: OperatorLife[] = []
  readonly #lostConfigs = new Map<Machine, number>()
  /**
   * Loads (`node module boot`) of which nobody can know: their pods were deleted by others while no operator lived. The
   * design accepts that (worker pods carry no finalizer): where such a Module goes, its kernel module may stay.
   */
  readonly unseen = new Set<string>()
  /** Modules that are made again as soon as they are gone. */
  readonly remakes = new Map<string, Design>()
  /** Loads (`node module boot`) that the policy `Never` has left behind. */
  readonly left = new Set<string>()
  flakiness = 0.02
  witness: Witness | undefined

  /** `wild`: with all that others do, and with all rules. */
  constructor(seed: number | string, wild = false) {
    this.wild = wild
    this.chance = createChance(seed)
    this.time = new VirtualTime(this.chance.fork('time'))
    this.trace = createTrace(this.time)
    this.store = createStore(this.time)
    this.registry = new ModelRegistry(this.time, this.chance.fork('registry'))
    const slowKinds = new Set<string>()
    this.weather = { failures: 0.03, wild, slowKinds, lagMs: (plural) => (slowKinds.has(plural) ? 3_000 : 40) }
    this.#furnish()
    this.#startControllers()
    this.#startRemaking()
    this.machines = Object.entries(machineLabels).map(
      ([name, labels]) =>
        new Machine(name, labels, kernels[0], {
          store: this.store,
          time: this.time,
          chance: this.chance,
          trace: this.trace,
          registry: this.registry,
          flakiness: () => this.flakiness,
          onEffect: (...effect) => this.witness?.onEffect(...effect),
          onKernel: (machine) => this.witness?.onKernel(machine),
        }),
    )
  }

  /** The operator that lives, if one does. */
  get operator(): OperatorLife | undefined {
    return this.#lives.findLast(({ client }) => !client.dead)
  }

  /** All of them end at once. */
  killOperators(): void {
    for (const life of this.#lives) life.kill()
    this.#forgetLostConfigs()
  }

  /** Defects that the operators of this run have logged. */
  get defects(): string[] {
    return this.#lives.flatMap(({ defects }) => defects)
  }

  startOperator(): void {
    if (this.operator) return
    this.#beginLife(true)
  }

  /** Another operator stands by, and takes over after a while; what the old one has sent still arrives. */
  handOver(afterMs: number): void {
    const old = this.operator
    if (old === undefined || !old.leads) return
    this.#forgetLostConfigs()
    const next = this.#beginLife(false)
    this.time.setTimeout(() => {
      old.retire()
      next.lead()
    }, afterMs)
    this.time.setTimeout(() => {
      old.kill()
      this.startOperator()
    }, afterMs + 15_000)
  }

  /** Somebody works: not only starts, or stands by. */
  get isLed(): boolean {
    return this.#lives.some(({ leads, started }) => leads && started)
  }

  #beginLife(leads: boolean): OperatorLife {
    const { store, time, trace, weather, registry } = this
    const chance = this.chance.fork(`operator ${this.#lives.length}`)
    const restart = (): void => void time.setTimeout(() => this.startOperator(), 1_000)
    const life = new OperatorLife({ store, time, trace, weather, chance }, registry, leads, restart)
    this.#lives.push(life)
    return life
  }

  /** The machine's NodeModulesConfig is about to be deleted: only an operator that lives on knows what it said. */
  loseConfig(machine: Machine): void {
    if (!this.isLed) this.forgetLoads(machine)
    this.#lostConfigs.set(machine, this.time.now())
  }

  #forgetLostConfigs(): void {
    for (const [machine, atMs] of this.#lostConfigs)
      if (this.time.now() - atMs < rememberedMs) this.forgetLoads(machine)
  }

  /** Nobody remembers what was loaded on the machine in this boot. */
  forgetLoads(machine: Machine): void {
    for (const base of moduleNames) this.unseen.add(formatLoad(machine, keyOfDesign(base)))
  }

  module(key: string): (ApiObject & Module) | undefined {
    const [namespace = '', name = ''] = key.split('/')
    return this.store.find(kmm.modules, { namespace, name }) as (ApiObject & Module) | undefined
  }

  nodeConfig(name: string): NodeModulesConfig | undefined {
    return this.store.find(kmm.nodeModulesConfigs, { name }) as NodeModulesConfig | undefined
  }

  /** Creates a Module, or changes it; false when that cannot be done now. */
  apply(design: Design): boolean {
    const key = keyOfDesign(design)
    const { namespace } = design
    const present = this.module(key)
    if (present?.metadata.deletionTimestamp !== undefined || !this.#openNamespace(namespace)) return false
    const wanted = buildModule(design)
    this.designs.set(key, design)
    if (present === undefined) this.store.create(kmm.modules, wanted as ApiObject & Module)
    else {
      const { annotations: _old, ...metadata } = present.metadata
      const { annotations } = wanted.metadata
      const meta = { ...metadata, ...(annotations ? { annotations } : {}) }
      this.store.update(kmm.modules, { ...present, metadata: meta, spec: wanted.spec } as ApiObject)
    }
    return true
  }

  /** Changes a Node as an administrator does; false when there is none. */
  changeNode(name: string, apply: (node: ApiObject & { spec: Record<string, unknown> }) => void): boolean {
    const found = this.store.find(nodes, { name })
    if (found === undefined) return false
    const copy = structuredClone(found) as ApiObject & { spec: Record<string, unknown> }
    copy.spec ??= {}
    apply(copy)
    this.store.update(nodes, copy)
    return true
  }

  /** True when objects can be made in the namespace; makes it where it is not. */
  #openNamespace(name: string): boolean {
    const found = this.store.find(namespaces, { name })
    if (found === undefined) this.store.create(namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
    return found?.metadata.deletionTimestamp === undefined
  }

  #furnish(): void {
    this.#openNamespace('default')
    this.#openNamespace(operatorNamespace)
    const key = Buffer.alloc(32, 7).toString('base64')
    this.store.create(
      { group: '', plural: 'secrets' },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace: operatorNamespace, name: 'kmm-worker-hash-key' },
        data: { key },
      },
    )
    for (const { name } of moduleNames)
      for (const tag of tags) for (const kernel of kernels) this.registry.push(imageOf({ name, tag }, kernel), 1)
  }

  #startRemaking(): void {
    this.store.subscribe(kmm.modules, ({ type, object }) => {
      const key = `${object.metadata.namespace}/${object.metadata.name}`
      const design = this.remakes.get(key)
      if (type !== 'DELETED' || design === undefined) return
      this.remakes.delete(key)
      this.time.setTimeout(() => void this.apply(design), this.chance.between(0, 300))
    })
  }

  #startControllers(): void {
    const { store, time } = this
    const suffixes = this.chance.fork('daemon pods')
    const context = {
      store,
      timers: time,
      create: async (...[resource, object]: Parameters<Store['create']>) => {
        refuseWithoutNamespace(store, object)
        return store.create(resource, object)
      },
    }
    startNamespaceDeletion(context)
    startGarbageCollector(context)
    startNodeLifecycle(context)
    startScheduler(context)
    startDaemonSets(context, { newSuffix: () => suffixes.suffix() })
    startPodEviction(context)
    startPodGc(context, { quarantineMs: 2_000 })
    startPodsOfSilentNodes(context)
  }
}
