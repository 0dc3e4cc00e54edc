import { setTimeout as sleep } from 'node:timers/promises'
import {
  getDevicePluginReadyLabel,
  getDevicePluginTargetLabel,
  getKernelModuleReadyNodeLabel,
  workerActionLabel,
} from '../../src/api/labels.ts'
import { readModuleInfo } from '../../src/kmod/modinfo.ts'
import type { EmbeddedSandbox } from '../../src/sandbox/sandbox.ts'
import { Cluster, demoModule, exampleFiles, kernel56, workerLabel } from './cluster.ts'
import { type FatalWrite, KillSwitch } from './kill-switch.ts'
import { listRemains } from './kill-remains.ts'
import { watchSafety } from './kill-witness.ts'

/** What happens to the Module: it is created, asks for another image, and is deleted. */
export const phases = ['load', 'reload', 'unload'] as const
export type Phase = (typeof phases)[number]

/** How a run of the scenario is disturbed. */
export interface Disturbance {
  /** Where an operator dies; the first that lives in a phase is 0. Nowhere, and it lives until the next phase. */
  killAt: (phase: Phase, life: number) => FatalWrite | undefined
  /** How long nobody is there after a death; default not at all. Long enough, and workers end unseen. */
  absenceMs?: number
}

/** What came of one run. */
export interface RunResult {
  /** The writes at which operators died, by phase. */
  deaths: Record<Phase, string[]>
  /** The writes of the last operator of each phase. */
  writes: Record<Phase, string[]>
  /** What must never be, and was. */
  faults: string[]
  /** What the kernel saw of the module: `insert` and `remove` with the version. */
  story: string[]
}

interface Version {
  image: string
  srcversion: string
}

interface Life {
  killSwitch: KillSwitch
  end: () => Promise<void>
}

interface PhaseRun {
  namespace: string
  /** The operator of the phase before. */
  life: Life | undefined
  disturbance: Disturbance
  deaths: string[]
}

const kernelModule = 'kmm_demo'
/** What takes longer hangs: a phase takes a second on an idle machine, and thirty on one that is short of processors. */
const longestPhaseMs = 180_000
const nodeName = 'n1'
const name = 'demo'

async function pushVersion(cluster: Cluster, tag: string, source: string): Promise<Version> {
  const files = await exampleFiles(kernel56, source)
  const file = Object.entries(files).find(([path]) => path.endsWith(`/${kernelModule}.ko`))?.[1]
  const data = file && 'data' in file ? Buffer.from(file.data ?? '') : Buffer.alloc(0)
  return { image: await cluster.push(tag, files), srcversion: readModuleInfo(data).srcversion ?? '' }
}

/** One sandbox in which runs follow each other, each with a namespace and a Module of its own. */
export class KillLane {
  readonly cluster: Cluster<EmbeddedSandbox>
  readonly #versions: readonly [Version, Version]
  readonly #label: string
  #runs = 0

  private constructor(cluster: Cluster<EmbeddedSandbox>, versions: readonly [Version, Version], label: string) {
    this.cluster = cluster
    this.#versions = versions
    this.#label = label
  }

  static async start(label: string): Promise<KillLane> {
    const node = { name: nodeName, kernel: kernel56, labels: workerLabel }
    const cluster = await Cluster.startEmbedded({ nodes: [node], workerSlots: 1, times: { phaseLagMs: 5 } })
    const versions = [
      await pushVersion(cluster, 'v1', 'prebuilt'),
      await pushVersion(cluster, 'v2', 'prebuilt-v2'),
    ] as const
    return new KillLane(cluster, versions, label)
  }

  stop(): Promise<void> {
    return this.cluster.stop()
  }

  /** Plays the scenario once. Fails when a phase does not end as it must; then no operator is left, but its Module may be. */
  async run(disturbance: Disturbance): Promise<RunResult> {
    const { cluster } = this
    const namespace = `${this.#label}-${++this.#runs}`
    const node = cluster.sandbox.node(nodeName)
    if (!node) throw new Error('the lane has no node')
    const from = node.kernel.history.length
    const srcversions = this.#versions.map(({ srcversion }) => srcversion)
    const endWatch = watchSafety({ api: cluster.sandbox.api, node, namespace, module: name, kernelModule, srcversions })
    const deaths: RunResult['deaths'] = { load: [], reload: [], unload: [] }
    const writes: RunResult['writes'] = { load: [], reload: [], unload: [] }
    const faults: string[] = []
    try {
      await cluster.createNamespace(namespace)
      let life: Life | undefined
      for (const phase of phases) {
        life = await this.#play(phase, { namespace, life, disturbance, deaths: deaths[phase] })
        writes[phase] = life.killSwitch.writes
      }
      await life?.end()
    } finally {
      faults.push(...endWatch())
    }
    const story = node.kernel.history
      .slice(from)
      .filter(({ module }) => module === kernelModule)
      .map(({ action, srcversion }) => `${action} v${srcversions.indexOf(srcversion) + 1}`)
    return { deaths, writes, faults, story }
  }

  async #begin(fatal: FatalWrite | undefined): Promise<Life> {
    const killSwitch = new KillSwitch()
    killSwitch.arm(fatal)
    try {
      return { killSwitch, end: await this.cluster.startOperator({ wrap: killSwitch.wrap }) }
    } catch (error) {
      // It may die before it has begun to live.
      if (killSwitch.dead) return { killSwitch, end: async () => undefined }
      throw error
    }
  }

  /** Plays one phase to its end; answers the operator that saw it. */
  async #play(phase: Phase, run: PhaseRun): Promise<Life> {
    const { namespace, disturbance, deaths } = run
    const fatal = disturbance.killAt(phase, 0)
    let life = run.life ?? (await this.#begin(fatal))
    life.killSwitch.arm(fatal)
    await this.#act(phase, namespace)
    for (;;) {
      const { killSwitch, end } = life
      const what = `${phase} of ${namespace} after deaths at ${deaths.join(', ') || 'no write'}`
      const holds = (): boolean => killSwitch.dead || (killSwitch.open === 0 && this.#isOver(phase, namespace))
      await this.cluster.until(what, holds, longestPhaseMs).catch(async (error: unknown) => {
        await end()
        throw new Error(`${String(error)}\nmissing: ${this.#listOpen(phase, namespace).join(', ')}`)
      })
      if (!killSwitch.dead) return life
      deaths.push(killSwitch.diedAt ?? '')
      await end()
      await sleep(disturbance.absenceMs ?? 0)
      life = await this.#begin(disturbance.killAt(phase, deaths.length))
    }
  }

  async #act(phase: Phase, namespace: string): Promise<void> {
    const { cluster } = this
    const [first, second] = this.#versions
    switch (phase) {
      case 'load':
        await cluster.createModule(
          demoModule(first.image, ({ metadata, spec }) => {
            metadata.namespace = namespace
            if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
          }),
        )
        return
      case 'reload': {
        const kernelMappings = [{ regexp: '^.+$', containerImage: second.image }]
        await cluster.patchModule({ moduleLoader: { container: { kernelMappings } } }, name, namespace)
        return
      }
      case 'unload':
        return cluster.deleteModule(name, namespace)
    }
  }

  #isOver(phase: Phase, namespace: string): boolean {
    return this.#listOpen(phase, namespace).length === 0
  }

  #listOpen(phase: Phase, namespace: string): string[] {
    const [first, second] = this.#versions
    return phase === 'unload'
      ? this.#listRemains(namespace)
      : this.#listMissing(namespace, phase === 'load' ? first : second)
  }

  /** What is not yet as it is when a version is loaded, reported and served; every write of the operator shows in it. */
  #listMissing(namespace: string, { image, srcversion }: Version): string[] {
    const { cluster } = this
    const module = cluster.module(name, namespace)
    const { generation } = module?.metadata ?? {}
    const config = cluster.nmc(nodeName)
    const conditions = module?.status?.conditions ?? []
    const holds = (type: string, status: string): boolean =>
      conditions.some((each) => each.type === type && each.status === status && each.observedGeneration === generation)
    const labels = cluster.labels(nodeName)
    const [entry] = config?.spec?.modules ?? []
    const [loaded] = config?.status?.modules ?? []
    const wanted: Record<string, boolean> = {
      'Ready is True': holds('Ready', 'True'),
      'Progressing is False': holds('Progressing', 'False'),
      'one node in the counts': module?.status?.moduleLoader?.availableNumber === 1,
      'the device plugin in the counts': module?.status?.devicePlugin?.availableNumber === 1,
      'the plan names the image': entry?.config.containerImage === image,
      'the status names the image': loaded?.config?.containerImage === image,
      'no worker is reported': (config?.status?.workers ?? []).length === 0,
      'the ready label': labels[getKernelModuleReadyNodeLabel(namespace, name)] === '',
      'the target label': labels[getDevicePluginTargetLabel(namespace, name)] === '',
      'the device plugin label': labels[getDevicePluginReadyLabel(namespace, name)] === '',
      'no worker pod': this.#podsOf(namespace, 'worker').length === 0,
      'one device plugin pod': this.#podsOf(namespace, 'plugin').length === 1,
      'an event of the load': this.#hasEvent(namespace, 'ModuleLoaded'),
      'the module in the kernel': cluster
        .kernel(nodeName)
        .loadedModules()
        .some((each) => each.srcversion === srcversion),
    }
    return Object.keys(wanted).filter((key) => !wanted[key])
  }

  /** What is left of a Module and must not be. */
  #listRemains(namespace: string): string[] {
    return [
      ...listRemains(this.cluster, nodeName, namespace),
      ...(this.#hasEvent(namespace, 'ModuleUnloaded') ? [] : ['no event of the unload']),
      ...(this.cluster.kernel(nodeName).isLoaded(kernelModule) ? ['the module in the kernel'] : []),
    ]
  }

  #hasEvent(namespace: string, reason: string): boolean {
    return this.cluster.view.events
      .list()
      .some((event) => event.reason === reason && event.metadata.annotations?.['module'] === `${namespace}/${name}`)
  }

  #podsOf(namespace: string, kind: 'worker' | 'plugin') {
    return this.cluster.view.pods
      .list()
      .filter(
        ({ metadata }) =>
          metadata?.namespace === namespace &&
          (metadata.labels?.[workerActionLabel] !== undefined) === (kind === 'worker'),
      )
  }
}
