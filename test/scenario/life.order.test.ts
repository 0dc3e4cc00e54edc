import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { nodeLabelerFinalizer } from '../../src/api/finalizers.ts'
import { getDevicePluginReadyLabel, getKernelModuleReadyNodeLabel, roleLabel } from '../../src/api/labels.ts'
import { pods } from '../../src/kube/core-resources.ts'
import { Chronicle } from './chronicle.ts'
import { Cluster, demoModule, exampleFiles, kernel56 } from './cluster.ts'
import { patience } from './engine.ts'
import { Scene } from './scene.ts'

const plugin = { container: { image: 'registry.example/plugin:1' } }

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

/** The pods of device plugins in a namespace. */
const listPlugins = (namespace: string): Pod[] =>
  cluster.view.pods
    .list()
    .filter(({ metadata }) => metadata?.namespace === namespace && metadata.labels?.[roleLabel] === 'device-plugin')

async function setFinalizers({ metadata }: Pod, finalizers: readonly string[]): Promise<void> {
  const key = { namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' }
  await cluster.sandbox.client.patch(pods, key, { type: 'merge', body: { metadata: { finalizers } } })
}

const isPluginReady = (scene: Scene, namespace = scene.name): boolean =>
  getDevicePluginReadyLabel(namespace, 'demo') in cluster.labels(scene.name)

/** A scene whose Module is loaded and whose device plugin serves, and all that happened until then. */
async function openServed(name: string): Promise<{ scene: Scene; chronicle: Chronicle }> {
  const scene = await Scene.open(cluster, name)
  const chronicle = new Chronicle(scene)
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = plugin
  })
  await scene.untilReady()
  await scene.until('the device plugin', () => isPluginReady(scene))
  await cluster.caughtUp()
  return { scene, chronicle }
}

it.concurrent('takes label, device plugin and module away in this order, and brings them back in the other', async () => {
  const { scene, chronicle } = await openServed('order')
  await chronicle.expectOrder('load', 'loaded in boot 1', 'label', 'plugin')
  await scene.useImage(await scene.push('2'))
  await scene.until('the other image', () => scene.pods.Load.size === 2)
  await scene.untilReady()
  await scene.until('the device plugin', () => isPluginReady(scene))
  const replaced = ['no label', 'plugin goes', 'plugin gone', 'unload', 'not loaded', 'load', 'loaded in boot 1']
  await chronicle.expectOrder(...replaced, 'label', 'plugin')
  await scene.delete()
  await scene.untilGone()
  await cluster.caughtUp()
  const isOfEnd = (what: string): boolean => !['plugin', 'load gone'].includes(what) && !what.endsWith(' goes')
  const end = chronicle.since('plugin').filter(isOfEnd)
  // With the Module goes its DaemonSet: the pod does not wait for the label to go.
  expect([...end.slice(0, 2).sort(), ...end.slice(2)]).toEqual([
    'no label',
    'plugin gone',
    'unload',
    'not loaded',
    'unload gone',
  ])
  expect(scene.kernel.history.map(({ action }) => action).filter((action) => action === 'remove')).toHaveLength(4)
})

it.concurrent('waits with a change for a plugin pod that somebody holds, and says so', async () => {
  const { scene, chronicle } = await openServed('order-held')
  const [held] = listPlugins(scene.name)
  if (!held) throw new Error('no plugin pod')
  await setFinalizers(held, ['scene.example/hold'])
  await scene.useImage(await scene.push('2'))
  expect(await scene.untilFailed('DevicePluginStillRunning', 0)).toContain(`still run on node ${scene.name}`)
  expect(chronicle.since('no label')).not.toContain('unload')
  expect(scene.kernel.removals('kmm_demo')).toBe(0)
  await setFinalizers(held, [])
  await scene.untilReady()
  await chronicle.expectOrder('no label', 'plugin goes', 'plugin gone', 'unload', 'load', 'label', 'plugin')
})

it.concurrent('does not let a Module go before a plugin pod that somebody holds', async () => {
  const { scene, chronicle } = await openServed('order-deleted')
  const [held] = listPlugins(scene.name)
  if (!held) throw new Error('no plugin pod')
  await setFinalizers(held, ['scene.example/hold'])
  await scene.delete()
  await scene.untilFailed('DevicePluginStillRunning', 0)
  await scene.until('who is waited for', () =>
    scene.condition('Ready')?.message.includes(`waits for 1 node: ${scene.name} (DevicePluginStillRunning`),
  )
  expect(chronicle.entries).not.toContain('unload')
  await setFinalizers(held, [])
  await scene.untilGone()
  await chronicle.expectOrder('no label', 'plugin gone', 'unload')
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

it.concurrent(
  'leaves nothing Terminating of a node that is deleted, and holds no Module for it',
  async () => {
    const { scene } = await openServed('order-node')
    const [pod] = listPlugins(scene.name)
    if (!pod) throw new Error('no plugin pod')
    // The Go operator gave its plugin pods this finalizer.
    await setFinalizers(pod, [nodeLabelerFinalizer])
    await scene.node.delete()
    const left = (): unknown[] => cluster.view.pods.list().filter(({ metadata }) => metadata?.namespace === scene.name)
    await scene.until('no pod', () => left().length === 0)
    await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
    await scene.untilCondition('Ready', 'False', 'NoMatchingNodes')
    expect(scene.module?.status).not.toHaveProperty('worstNodes')
    await scene.delete()
    await scene.untilGone()
  },
  // A control plane takes a minute to collect the pods of a node that is gone.
  120_000 * patience,
)

it.concurrent('keeps two Modules of one name in two namespaces apart on one node', async () => {
  const { scene, chronicle } = await openServed('order-one')
  const other = 'order-two'
  await cluster.createNamespace(other)
  const theirs = new Chronicle(scene, other)
  const more = await scene.push('more', await exampleFiles(kernel56, 'prebuilt-more'))
  await cluster.createModule(
    demoModule(more, ({ metadata, spec }) => {
      metadata.namespace = other
      if (!spec) return
      spec.selector = scene.selector
      spec.devicePlugin = plugin
      if (spec.moduleLoader) spec.moduleLoader.container.modprobe = { moduleName: 'kmm_demo_dev' }
    }),
  )
  await scene.until('both', () => isPluginReady(scene, other) && isPluginReady(scene))
  const [entry, next] = cluster.nmc(scene.name)?.spec?.modules ?? []
  expect([entry?.namespace, next?.namespace]).toEqual([scene.name, other])
  const [uid] = listPlugins(other).map(({ metadata }) => metadata?.uid)
  await scene.patchContainer({ modprobe: { parameters: ['count=2'] } })
  await scene.until('the other load', () => scene.pods.Load.size === 2)
  await scene.untilReady()
  await scene.delete()
  await scene.untilGone()
  await cluster.caughtUp()
  expect(cluster.isReady(scene.name, 'demo', other)).toBe(true)
  expect(scene.isReady).toBe(false)
  expect(listPlugins(other).map(({ metadata }) => metadata?.uid)).toEqual([uid])
  expect(cluster.nmc(scene.name)?.status?.modules?.map(({ namespace }) => namespace)).toEqual([other])
  expect(chronicle.since('no label')).toContain('unload')
  expect(theirs.entries).not.toContain('no label')
  expect(theirs.entries).not.toContain('unload')
  const labels = (): string[] => Object.keys(cluster.labels(scene.name))
  await scene.until('no label of it', () => !labels().some((label) => label.includes(`/${scene.name}.demo.`)))
  expect(labels()).toContain(getKernelModuleReadyNodeLabel(other, 'demo'))
  expect(scene.kernel.loadedModules().map(({ name }) => name)).toEqual(['kmm_demo_dev'])
})
