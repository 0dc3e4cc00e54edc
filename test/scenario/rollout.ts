import type { Pod } from 'kubernetes-types/core/v1.js'
import {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
  moduleNameLabel,
  roleLabel,
} from '../../src/api/labels.ts'
import type { Module, ModuleSpec } from '../../src/api/module.ts'
import { UpgradeRecord } from './upgrade-record.ts'
import { type Cluster, demoModule } from './cluster.ts'
import type { Scene } from './scene.ts'

interface Parts {
  name: string
  moduleName: string
  plugin: Pick<ModuleSpec, 'devicePlugin' | 'dra'>
}

/** A Module with a version and a device plugin on the node of a scene, in the hands of its administrator. */
export class Rollout {
  readonly scene: Scene
  readonly name: string
  readonly record: UpgradeRecord

  private constructor(scene: Scene, name: string, record: UpgradeRecord) {
    this.scene = scene
    this.name = name
    this.record = record
  }

  /** Creates the Module in version 1 and sees it loaded, its pod running. */
  static async start(scene: Scene, image: string, name = 'demo', moduleName = 'kmm_demo'): Promise<Rollout> {
    const devicePlugin = { container: { image: 'registry.example/plugin:1' } }
    return Rollout.#start(scene, image, { name, moduleName, plugin: { devicePlugin } })
  }

  /** The same with a DRA driver in place of the device plugin. */
  static async startDriver(scene: Scene, image: string): Promise<Rollout> {
    const dra = { container: { image: 'registry.example/driver:1' }, driverName: 'gpu.example.com' }
    return Rollout.#start(scene, image, { name: 'demo', moduleName: 'kmm_demo', plugin: { dra } })
  }

  static async #start(scene: Scene, image: string, { name, moduleName, plugin }: Parts): Promise<Rollout> {
    const subject = { node: scene.name, namespace: scene.name, name }
    const rollout = new Rollout(scene, name, await UpgradeRecord.open(scene.cluster.sandbox.client, subject))
    const module = demoModule(image, ({ metadata, spec }) => {
      Object.assign(metadata, { namespace: scene.name, name })
      Object.assign(spec ?? {}, { selector: scene.selector, ...plugin })
      Object.assign(spec?.moduleLoader?.container ?? {}, { version: '1', modprobe: { moduleName } })
    })
    await scene.cluster.createModule(module)
    await rollout.ask('1')
    await rollout.untilRunning('1')
    return rollout
  }

  get #cluster(): Cluster {
    return this.scene.cluster
  }

  get module(): Module | undefined {
    return this.#cluster.module(this.name, this.scene.name)
  }

  get readyCondition() {
    return this.#cluster.condition('Ready', this.name, this.scene.name)
  }

  /** Its device plugin pods on the node, in any state. */
  get plugins(): Pod[] {
    const isPlugin = ({ metadata, spec }: Pod): boolean =>
      metadata?.namespace === this.scene.name &&
      metadata.labels?.[moduleNameLabel] === this.name &&
      metadata.labels[roleLabel] !== undefined &&
      spec?.nodeName === this.scene.name
    return this.#cluster.view.pods.list().filter(isPlugin)
  }

  /** The labels of the node that concern it; those that are missing are left out. */
  get labels(): Record<string, string> {
    const { name, scene } = this
    const keys: [string, string][] = [
      ['asked', getModuleVersionLabelName(scene.name, name)],
      ['worker', getWorkerPodVersionLabelName(scene.name, name)],
      ['schedule', getSchedulePodVersionLabelName(scene.name, name)],
      ['ready', getKernelModuleReadyNodeLabel(scene.name, name)],
      ['version', getKernelModuleVersionReadyNodeLabel(scene.name, name)],
    ]
    const labels = this.#cluster.labels(scene.name)
    return Object.fromEntries(keys.flatMap(([what, key]) => (key in labels ? [[what, labels[key] ?? '']] : [])))
  }

  /** The administrator asks for a version on the node; null: for none. */
  async ask(version: string | null): Promise<void> {
    await this.scene.node.label({ [getModuleVersionLabelName(this.scene.name, this.name)]: version })
  }

  /** The Module's author brings out another version. */
  async release(version: string, image: string): Promise<void> {
    const container = { version, kernelMappings: [{ regexp: '^.+$', containerImage: image }] }
    await this.#cluster.patchModule({ moduleLoader: { container } }, this.name, this.scene.name)
  }

  /** It is loaded in the version, and a device plugin pod of the version runs. */
  isRunning(version: string): boolean {
    const labels = JSON.stringify({ asked: version, worker: version, schedule: version, ready: '', version })
    if (JSON.stringify(this.labels) !== labels) return false
    const key = getSchedulePodVersionLabelName(this.scene.name, this.name)
    return this.plugins.some(
      ({ metadata: { labels, deletionTimestamp } = {}, status }) =>
        labels?.[key] === version && deletionTimestamp === undefined && status?.phase === 'Running',
    )
  }

  async untilRunning(version: string): Promise<void> {
    await this.scene.until(`${this.name} in version ${version}, with its device plugin`, () => this.isRunning(version))
  }

  /** The Module tells the reason for this node. */
  async untilTold(reason: string): Promise<string> {
    const find = () => this.module?.status?.worstNodes?.find(({ node }) => node === this.scene.name)
    await this.scene.until(`${reason} on the Module ${this.name}`, () => find()?.reason === reason)
    return find()?.message ?? ''
  }
}
