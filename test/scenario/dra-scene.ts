import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { DeviceClassSpec, DRA, Module } from '../../src/api/module.ts'
import { type DeviceClass, deviceClasses } from '../../src/kube/device-class.ts'
import { daemonSets } from '../../src/kube/core-resources.ts'
import { afterAll, beforeAll } from 'vitest'
import { createWatchCache, type WatchCache } from '../../src/kube/watch-cache.ts'
import { Cluster } from './cluster.ts'
import type { Scene } from './scene.ts'

const keep = <T>(object: T): T => object

/** Watches DaemonSets and DeviceClasses, which only tests of DRA look at. */
export class DraView {
  readonly daemonSets: WatchCache<DaemonSet, DaemonSet>
  readonly classes: WatchCache<DeviceClass, DeviceClass>

  constructor({ sandbox: { client } }: Cluster) {
    const options = { client, onError: () => undefined }
    this.daemonSets = createWatchCache({ ...options, resource: daemonSets, trim: keep<DaemonSet> })
    this.classes = createWatchCache({ ...options, resource: deviceClasses, trim: keep<DeviceClass> })
    this.daemonSets.start()
    this.classes.start()
  }

  class(name: string): DeviceClass | undefined {
    return this.classes.get({ name })
  }

  /** The DaemonSets of a Module in a role. */
  daemonSetsOf(role: string, name = 'demo', namespace = 'demo'): readonly DaemonSet[] {
    return this.daemonSets.list().filter(({ metadata }) => {
      const labels = metadata?.labels ?? {}
      const isOfModule = metadata?.namespace === namespace && labels['kmm.node.kubernetes.io/module.name'] === name
      return isOfModule && labels['kmm.node.kubernetes.io/role'] === role
    })
  }

  async stop(): Promise<void> {
    await Promise.all([this.daemonSets.stop(), this.classes.stop()])
  }
}

/** A cluster with an operator, and a view of what it makes for device plugins and drivers. */
interface SharedDra {
  readonly cluster: Cluster
  readonly view: DraView
}

/** Starts them before the tests of a file, and stops them after the last. */
export function useDra(): SharedDra {
  let parts: SharedDra | undefined
  beforeAll(async () => {
    const cluster = await Cluster.start({ nodes: [] })
    parts = { cluster, view: new DraView(cluster) }
    await cluster.startOperator()
  })
  afterAll(async () => {
    await parts?.view.stop()
    await parts?.cluster.stop()
  })
  const here = (): SharedDra => {
    if (parts === undefined) throw new Error('the cluster is there only while tests run')
    return parts
  }
  return {
    get cluster() {
      return here().cluster
    },
    get view() {
      return here().view
    },
  }
}

/** A class of devices with expressions and settings that the API server takes. */
export const buildClass = (name: string): DeviceClassSpec => ({
  name,
  selectors: [
    { cel: { expression: 'device.driver == "gpu.example.com"' } },
    { cel: { expression: 'device.capacity["gpu.example.com"].memory.compareTo(quantity("8Gi")) >= 0' } },
  ],
  config: [
    {
      opaque: {
        driver: 'gpu.example.com',
        parameters: {
          apiVersion: 'gpu.example.com/v1',
          kind: 'GpuConfig',
          sharing: {
            strategy: 'TimeSlicing',
            interval: 1.5,
            empty: '',
            none: [],
            zero: 0,
            no: false,
            nested: [{}, []],
          },
        },
      },
    },
  ],
})

/** The class of a scene's Module, which no other scene has. */
export const classOf = ({ name }: Scene): string => `gpu.${name}.example.com`

/** What `spec.dra` of a scene's Module is. */
export const buildDra = (scene: Scene, changes: Partial<DRA> = {}): DRA => ({
  container: { image: 'registry.example/dra-driver:1' },
  driverName: 'gpu.example.com',
  deviceClasses: [buildClass(classOf(scene))],
  ...changes,
})

/** Creates a Module that only runs a driver. */
export async function createDriver(scene: Scene, changes: Partial<DRA> = {}, name = 'demo'): Promise<Module> {
  return scene.create('unused', (module) => {
    module.metadata.name = name
    module.spec = { selector: scene.selector, dra: buildDra(scene, changes) }
  })
}

/** The Module says so in both places, and an event does. */
export async function untilFailing(scene: Scene, reason: string): Promise<string> {
  await scene.untilCondition('Ready', 'False', reason)
  await scene.untilCondition('Degraded', 'True', reason)
  const isOfScene = ({ reason: why, metadata }: { reason?: string; metadata?: { namespace?: string } }): boolean =>
    why === reason && metadata?.namespace === scene.name
  await scene.until('the event', () => scene.cluster.view.events.list().some(isOfScene))
  return scene.condition('Ready')?.message ?? ''
}

/** The Module is well again. */
export async function untilSound(scene: Scene): Promise<void> {
  await scene.untilCondition('Ready', 'True', 'Loaded')
  await scene.untilCondition('Degraded', 'False', 'AsExpected')
}
