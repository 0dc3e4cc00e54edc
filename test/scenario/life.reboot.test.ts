import { afterAll, beforeAll, expect, it } from 'vitest'
import { nodes } from '../../src/kube/core-resources.ts'
import { Chronicle } from './chronicle.ts'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { HeldClient } from './held-client.ts'
import { LeapClock } from './leap-clock.ts'
import { makeLoadReport, Scene } from './scene.ts'

const kernel55 = '6.1.0-55-amd64'
const plugin = { container: { image: 'registry.example/plugin:1' } }

let cluster: Cluster
let endOperator: () => Promise<void>
const clock = new LeapClock()
const held = new HeldClient()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  endOperator = await cluster.startOperator({ clock, wrap: held.wrap })
})
afterAll(() => cluster.stop())

const open = (name: string): Promise<Scene> => Scene.open(cluster, name)

/** A scene whose Module is loaded, with a device plugin that runs. */
async function openWithPlugin(name: string): Promise<Scene> {
  const scene = await open(name)
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = plugin
  })
  await scene.untilReady()
  return scene
}

const mapTo = (literal: string, containerImage: string): object => ({ kernelMappings: [{ literal, containerImage }] })

/** Nothing on the node says anything of the Module, save that it may get its device plugin. */
function isCleared(scene: Scene): boolean {
  const labels = Object.keys(cluster.labels(scene.name)).filter((key) => key.includes(`/${scene.name}.demo.`))
  return cluster.nmc(scene.name) === undefined && labels.every((key) => key.endsWith('.device-plugin-target'))
}

it.concurrent('withdraws label and device plugin at a reboot, and gives them back after the report of that boot', async () => {
  const scene = await open('reboot-order')
  const chronicle = new Chronicle(scene)
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = plugin
  })
  await scene.untilReady()
  const lift = scene.rule({ do: 'hang' })
  await scene.node.reboot()
  await scene.until('no plugin', () => chronicle.since('boot 2').includes('plugin gone'))
  expect(chronicle.since('boot 2')).not.toContain('label')
  lift()
  await scene.untilReady()
  await chronicle.expectNoEarlyLabel()
  await chronicle.expectOrder(
    'boot 1',
    'load',
    'loaded in boot 1',
    'label',
    'plugin',
    'boot 2',
    'no label',
    'plugin gone',
  )
  await chronicle.expectOrder('boot 2', 'no label', 'load', 'loaded in boot 2', 'label', 'plugin')
  expect(chronicle.entries).not.toContain('unload')
  expect(scene.kernel.insertions('kmm_demo')).toBe(2)
})

it.concurrent('clears a node whose new kernel has no mapping, and loads when it has one again', async () => {
  const scene = await openWithPlugin('reboot-unmapped')
  scene.rule({ do: 'report' })
  const chronicle = new Chronicle(scene)
  const [image, next] = [scene.image('1'), await scene.push('2', await exampleFiles(kernel55))]
  await scene.patchContainer(mapTo(kernel56, image))
  await scene.node.upgradeKernel(kernel55)
  await scene.untilTold('NoKernelMapping')
  await scene.until('nothing on the node', () => isCleared(scene))
  await chronicle.expectOrder('boot 2', 'no label', 'plugin gone')
  await scene.patchContainer({
    kernelMappings: [
      { literal: kernel56, containerImage: image },
      { literal: kernel55, containerImage: next },
    ],
  })
  await scene.untilReady()
  expect(cluster.nmc(scene.name)?.spec?.modules?.[0]?.config.containerImage).toBe(next)
  await scene.patchContainer(mapTo(kernel55, next))
  await scene.node.upgradeKernel(kernel56)
  await scene.until('nothing on the node', () => isCleared(scene))
  await scene.node.upgradeKernel(kernel55)
  await scene.untilReady()
  await chronicle.expectNoEarlyLabel()
  expect(chronicle.entries).not.toContain('unload')
})

it.concurrent('believes no load that tells of the boot before', async () => {
  const scene = await open('reboot-late')
  const chronicle = new Chronicle(scene)
  const lift = scene.rule({ do: 'succeed', message: makeLoadReport(scene) })
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  await scene.node.reboot()
  expect(await scene.untilFailed('WorkerLost', 2)).toContain('is loaded again')
  expect(scene.isReady).toBe(false)
  lift()
  await clock.pass(60_000, scene.untilReady())
  await chronicle.expectNoEarlyLabel()
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('publishes no label of the boot before when the node goes down just then', async () => {
  const scene = await open('reboot-race')
  const chronicle = new Chronicle(scene)
  const letGo = held.hold(({ plural, verb, name }) => plural === 'nodes' && verb === 'patch' && name === scene.name)
  await scene.create(await scene.push('1'))
  await scene.until('the report', () => chronicle.entries.includes('loaded in boot 1'))
  await scene.node.reboot()
  letGo()
  await scene.untilReady()
  await chronicle.expectNoEarlyLabel()
  await chronicle.expectOrder('loaded in boot 1', 'boot 2', 'loaded in boot 2', 'label')
})

it.concurrent('needs no unload that a reboot has overtaken, and lets the Module go', async () => {
  const scene = await openWithPlugin('reboot-unload')
  const chronicle = new Chronicle(scene)
  scene.rule({ do: 'hang' })
  await scene.delete()
  await scene.until('the unload', () => chronicle.entries.includes('unload'))
  await scene.node.reboot()
  await scene.untilGone()
  await scene.until('nothing on the node', () => isCleared(scene))
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  expect(scene.kernel.removals('kmm_demo')).toBe(0)
})

it.concurrent('gives up an unload of what is busy when the node goes down, and loads what is wanted by then', async () => {
  const scene = await openWithPlugin('reboot-busy')
  const chronicle = new Chronicle(scene)
  scene.kernel.setInUse('kmm_demo', 1)
  await scene.useImage(await scene.push('2'))
  await scene.untilFailed('ModuleInUse')
  await scene.node.reboot()
  await scene.untilReady()
  await chronicle.expectNoEarlyLabel()
  expect(cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.containerImage).toBe(scene.image('2'))
  expect(chronicle.since('boot 2')).not.toContain('unload')
  expect(scene.kernel.removals('kmm_demo')).toBe(0)
})

it('publishes nothing that it finds out about a boot that is over', async () => {
  const scene = await open('reboot-unseen')
  const chronicle = new Chronicle(scene)
  const lift = scene.rule({ do: 'hang' })
  await scene.create(await scene.push('1'))
  await scene.until('the pod', () => scene.pod)
  await endOperator()
  lift()
  await scene.until('a load that nobody sees', () => scene.reports.some(({ outcome }) => outcome === 'ok'))
  await scene.node.reboot()
  await scene.until('the new boot', () => chronicle.entries.includes('boot 2'))
  expect(scene.isReady).toBe(false)
  endOperator = await cluster.startOperator({ clock, wrap: held.wrap })
  await scene.untilReady()
  await chronicle.expectNoEarlyLabel()
  expect(chronicle.entries).not.toContain('loaded in boot 1')
  const { metadata } = await cluster.sandbox.client.get(nodes, { name: scene.name })
  expect(metadata?.labels).toHaveProperty([`kmm.node.kubernetes.io/${scene.name}.demo.ready`])
})
