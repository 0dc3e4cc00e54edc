import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { getDevicePluginReadyLabel, getDevicePluginTargetLabel } from '../../src/api/labels.ts'
import type { VirtualNode } from '../../src/sandbox/node/virtual-node.ts'
import { Cluster, demoModule, kernel56, nmcResource } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
const clock = new LeapClock()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator({ clock, unverifiedAfterMs: 1 })
})
afterAll(() => cluster.stop())

const open = (name: string): Promise<Scene> => Scene.open(cluster, name)

/** Waits until the worker process of the pod has begun: it writes a first report then. */
async function untilWorkerRuns(scene: Scene): Promise<void> {
  await scene.until('the pod', () => scene.pod)
  const log = join(scene.node.root, 'pods', scene.pod?.metadata?.uid ?? '', 'rootfs/dev/termination-log')
  await scene.until('the worker', () => existsSync(log) && readFileSync(log, 'utf8') !== '')
}

/** Each makes a node one that gets no new modules, and takes that back. */
const troubles: [string, (node: VirtualNode) => Promise<unknown>, (node: VirtualNode) => Promise<unknown>][] = [
  ['cordoned', (node) => node.cordon(), (node) => node.uncordon()],
  [
    'tainted-no-schedule',
    (node) => node.addTaint('example.com/t', 'NoSchedule'),
    (node) => node.removeTaint('example.com/t', 'NoSchedule'),
  ],
  [
    'tainted-no-execute',
    (node) => node.addTaint('example.com/t', 'NoExecute'),
    (node) => node.removeTaint('example.com/t', 'NoExecute'),
  ],
  ['not-ready', (node) => node.setReady(false), (node) => node.setReady(true)],
]

it.concurrent.each(troubles)('keeps a loaded module and its labels on a node that is %s', async (name, begin, end) => {
  const scene = await open(name)
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  await scene.untilReady()
  await scene.until('the plugin', () => getDevicePluginReadyLabel(scene.name, 'demo') in cluster.labels(scene.name))
  const lost: string[] = []
  const target = getDevicePluginTargetLabel(scene.name, 'demo')
  cluster.view.nodes.onChange(({ after }) => {
    if (after?.metadata?.name !== scene.name) return
    if (!scene.isReady) lost.push('ready')
    if (!(target in (after.metadata.labels ?? {}))) lost.push(target)
  })
  cluster.view.configs.onChange(({ before, after }) => {
    if (before?.metadata.name === scene.name && !after?.spec?.modules?.length) lost.push('entry')
  })
  await begin(scene.node)
  // Another Module's answer for the node comes from a pass that saw the trouble.
  await scene.create(scene.image('1'), ({ metadata }) => {
    metadata.name = 'witness'
  })
  const isKeptAway = (): boolean =>
    cluster.module('witness', scene.name)?.status?.reasons?.some(({ reason }) => reason === 'NodeNotSchedulable') ??
    false
  await scene.until('the other Module', isKeptAway)
  expect(scene.isReady).toBe(true)
  await cluster.deleteModule('witness', scene.name)
  await end(scene.node)
  await scene.untilReady()
  expect(lost).toEqual([])
  expect(scene.kernel.history.filter(({ action }) => action === 'remove')).toEqual([])
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('loads in the new boot when the node goes down during the load', async () => {
  const scene = await open('reboot-load')
  // Longer than anybody needs to notice that it has begun.
  scene.kernel.setBehaviour('kmm_demo', { initMs: 60_000 })
  await scene.create(await scene.push('1'))
  await untilWorkerRuns(scene)
  const { bootId } = scene.kernel
  const rebooted = scene.node.reboot()
  await scene.until('the next boot', () => scene.kernel.bootId !== bootId)
  scene.kernel.setBehaviour('kmm_demo', {})
  await rebooted
  const isLoadedInBoot = (): boolean =>
    cluster.nmc(scene.name)?.status?.modules?.[0]?.bootId === scene.kernel.bootId && scene.kernel.isLoaded('kmm_demo')
  await scene.until('the module in the new boot', isLoadedInBoot)
  await scene.untilReady()
})

it.concurrent('takes the label away at a reboot, and gives it back when the module is loaded again', async () => {
  const scene = await open('reboot-loaded')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const lift = scene.rule({ do: 'hang' })
  await scene.node.reboot()
  await scene.until('no label', () => !scene.isReady)
  lift()
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(2)
})

it.concurrent('leaves nothing of a node that is deleted during the load, and loads on its successor', async () => {
  const scene = await open('vanished')
  const lift = scene.rule({ do: 'hang' })
  await scene.create(await scene.push('1'))
  await scene.until('the pod', () => scene.pod)
  await scene.node.delete()
  await scene.until('no pod and no config', () => !scene.pod && !cluster.nmc(scene.name))
  await scene.until('the Module says so', () => scene.condition('Ready')?.reason === 'NoMatchingNodes')
  lift()
  await cluster.sandbox.addNode({ name: scene.name, kernel: kernel56, labels: scene.selector })
  await scene.untilReady()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(true)
})

it.concurrent('lets a Module go whose node was deleted during the unload', async () => {
  const scene = await open('vanished-unload')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  scene.rule({ do: 'hang' })
  await scene.delete()
  await scene.until('the unload', () => scene.pods.Unload.size === 1)
  await scene.node.delete()
  await scene.untilGone()
})

it.concurrent('needs no registry after a reboot, and gives another namespace nothing of it', async () => {
  const scene = await open('cached')
  const image = await scene.push('1')
  await scene.create(image, ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container ?? {}, { imagePullPolicy: 'IfNotPresent' })
  })
  await scene.untilReady()
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, action: { do: 'reset' } })
  await scene.node.reboot()
  await scene.until('the module in the new boot', () => scene.kernel.isLoaded('kmm_demo'))
  await scene.untilReady()
  const other = await Scene.open(cluster, 'cached-other')
  await cluster.createModule(
    demoModule(image, ({ metadata, spec }) => {
      metadata.namespace = other.name
      if (spec) spec.selector = scene.selector
      const modprobe = { moduleName: 'kmm_demo_dep' }
      Object.assign(spec?.moduleLoader?.container ?? {}, { imagePullPolicy: 'IfNotPresent', modprobe })
    }),
  )
  const workerOf = (): string | undefined =>
    cluster.nmc(scene.name)?.status?.workers?.find(({ namespace }) => namespace === other.name)?.reason
  await scene.until('the other namespace goes without', () => workerOf() === 'RegistryUnreachable')
  expect(scene.isReady).toBe(true)
  lift()
  await scene.until('both', () => cluster.isReady(scene.name, 'demo', other.name))
})

it.concurrent('loads again what is loaded without a change, when all that is known of it was lost', async () => {
  const scene = await open('amnesia')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const before = scene.kernel.history
  const uid = cluster.nmc(scene.name)?.metadata.uid
  await cluster.sandbox.client.delete(nmcResource, { name: scene.name })
  const isNew = (): boolean => ![undefined, uid].includes(cluster.nmc(scene.name)?.metadata.uid)
  await scene.until('a new config', () => isNew() && cluster.nmc(scene.name)?.status?.modules?.length === 1)
  await scene.untilReady()
  expect(scene.kernel.history).toEqual(before)
})
