import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { roleLabel } from '../../src/api/labels.ts'
import { pods } from '../../src/kube/core-resources.ts'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { Rollout } from './rollout.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
const rollouts: Rollout[] = []
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
})
afterEach(async () => {
  for (const rollout of rollouts.splice(0)) await rollout.record.stop()
})
afterAll(() => cluster.stop())

/** The images of two versions of kmm_demo. */
async function pushVersions(scene: Scene): Promise<[first: string, second: string]> {
  return [
    await scene.push('1', await exampleFiles(kernel56)),
    await scene.push('2', await exampleFiles(kernel56, 'prebuilt-v2')),
  ]
}

async function start(...given: Parameters<typeof Rollout.start>): Promise<Rollout> {
  const rollout = await Rollout.start(...given)
  rollouts.push(rollout)
  return rollout
}

/** What the kernel did with kmm_demo: `insert` or `remove`, and which build of it. */
const historyOf = (scene: Scene): string[] =>
  scene.kernel.history
    .filter(({ module }) => module === 'kmm_demo')
    .map(({ action, srcversion }) => `${action} ${srcversion}`)

const leaving = (version: string): string[] => [
  'no schedule label',
  `no pod of ${version}`,
  'no worker label',
  'no plan',
  'no ready label',
  'no version label',
  'no module',
]

const coming = (version: string): string[] => [
  `worker label: ${version}`,
  `plan: ${version}`,
  `module: ${version}`,
  'ready label: ',
  `version label: ${version}`,
  `pod of ${version}: there`,
]

/**
 * Demands that nothing else happened since it was asked last, in this order. The pods' label comes as soon as workers may run,
 * and before pods: when else does not matter.
 */
async function expectInOrder({ record, scene }: Rollout, expected: string[], version: string): Promise<void> {
  const scheduled = `schedule label: ${version}`
  await scene.until('the whole record', () => record.holds([...expected, scheduled]))
  const story = record.take()
  expect(story.filter((each) => each !== scheduled)).toEqual(expected)
  const after = story.slice(story.indexOf(`worker label: ${version}`))
  expect(after.filter((each) => each === scheduled || each.startsWith('pod of'))).toEqual([
    scheduled,
    `pod of ${version}: there`,
  ])
}

it('goes from one version to another in order, on a cordoned node, when its administrator says so', async () => {
  const scene = await Scene.open(cluster, 'up-ordered')
  const [first, second] = await pushVersions(scene)
  const rollout = await start(scene, first)
  await expectInOrder(rollout, coming('1'), '1')

  await rollout.release('2', second)
  const asked = 'kmm.node.kubernetes.io/version-module.up-ordered.demo=2'
  expect(await rollout.untilTold('VersionDiffers')).toContain(`set the node's label ${asked}`)
  await scene.until('the words on the Module', () => rollout.readyCondition?.message.includes(asked))
  expect(rollout.readyCondition?.status).toBe('True')
  expect(rollout.module?.status?.moduleLoader?.availableNumber).toBe(1)
  await scene.node.cordon()
  const isCordoned = (): boolean =>
    cluster.view.nodes.get({ name: scene.name })?.spec?.taints?.some(({ effect }) => effect === 'NoSchedule') === true
  await scene.until('the taint of the cordon', isCordoned)
  await cluster.quiet()
  expect(rollout.record.take()).toEqual([])

  await rollout.ask('2')
  await rollout.untilRunning('2')
  expect(isCordoned()).toBe(true)
  await expectInOrder(rollout, [...leaving('1'), ...coming('2')], '2')
  const [inserted, removed, again, ...more] = historyOf(scene)
  expect([removed, again === inserted, more]).toEqual([inserted?.replace('insert', 'remove'), false, []])
  await scene.until('nothing to be told', () => rollout.module?.status?.reasons === undefined)

  await scene.node.uncordon()
  await cluster.quiet()
  expect(rollout.record.take()).toEqual([])
})

it('unloads a new version with the same image, and loads it again', async () => {
  const scene = await Scene.open(cluster, 'up-same')
  const [image] = await pushVersions(scene)
  const rollout = await start(scene, image)
  await expectInOrder(rollout, coming('1'), '1')
  await rollout.release('2', image)
  await rollout.ask('2')
  await rollout.untilRunning('2')
  await expectInOrder(rollout, [...leaving('1'), ...coming('2')], '2')
  expect(historyOf(scene).map((each) => each.split(' ')[0])).toEqual(['insert', 'remove', 'insert'])
})

it('unloads in order when the label is withdrawn, and leaves nothing behind', async () => {
  const scene = await Scene.open(cluster, 'up-withdrawn')
  const [image] = await pushVersions(scene)
  const rollout = await start(scene, image)
  await expectInOrder(rollout, coming('1'), '1')
  await rollout.ask(null)
  await scene.until('an empty kernel', () => !scene.kernel.isLoaded('kmm_demo') && !cluster.nmc(scene.name))
  await rollout.untilTold('VersionLabelMissing')
  await scene.until('no labels', () => Object.keys(rollout.labels).length === 0)
  await scene.until('the whole record', () => rollout.record.holds(leaving('1')))
  expect(rollout.record.take()).toEqual(leaving('1'))
})

/** From now on the scene's device plugin pods take ten minutes to end; the answer ends that for those to come. */
function keepPlugins({ name }: Scene): () => void {
  const labels = { 'kmm.node.kubernetes.io/role': 'device-plugin' }
  return cluster.sandbox.rules.add({ match: { namespace: name, labels }, terminationMs: 600_000 })
}

/** Deletes the device plugin's pod as an administrator does who waits no longer. */
async function forcePlugin({ name }: Scene, { plugins }: Rollout): Promise<void> {
  const key = { namespace: name, name: plugins[0]?.metadata?.name ?? '' }
  await cluster.sandbox.client.delete(pods, key, { gracePeriodSeconds: 0 })
}

it('waits for a device plugin that will not end, and tells on the Module', async () => {
  const scene = await Scene.open(cluster, 'up-stubborn')
  const [first, second] = await pushVersions(scene)
  const free = keepPlugins(scene)
  const rollout = await start(scene, first)
  await rollout.release('2', second)
  await rollout.ask('2')
  const told = await rollout.untilTold('DevicePluginStillRunning')
  expect(told).toContain('1 device plugin or DRA pod(s) of up-stubborn/demo still run on the node: demo-device-plugin-')
  expect(told).toContain('; version 1 is unloaded when they are gone')
  const isProgressing = (): boolean =>
    cluster.condition('Progressing', 'demo', scene.name)?.reason === 'DevicePluginStillRunning'
  await scene.until('the condition', isProgressing)
  await cluster.quiet()
  expect(rollout.labels).toEqual({ asked: '2', worker: '1', ready: '', version: '1' })
  expect([scene.kernel.removals('kmm_demo'), cluster.condition('Degraded', 'demo', scene.name)?.status]).toEqual([
    0,
    'False',
  ])
  await forcePlugin(scene, rollout)
  await rollout.untilRunning('2')
  free()
})

it('gives up no version for one that the Module does not have, and tells so without finding fault', async () => {
  const scene = await Scene.open(cluster, 'up-unknown')
  const [image] = await pushVersions(scene)
  const rollout = await start(scene, image)
  await expectInOrder(rollout, coming('1'), '1')
  await rollout.ask('9')
  expect(await rollout.untilTold('VersionDiffers')).toContain(
    'the node asks for version 9 of up-unknown/demo, which has version 1; version 1 stays',
  )
  expect(rollout.readyCondition).toMatchObject({ status: 'True', reason: 'Loaded' })
  await cluster.quiet()
  expect([rollout.record.take(), historyOf(scene).length]).toEqual([[], 1])
})

it('unloads nothing when its administrator goes back on the decision while the device plugin still ends', async () => {
  const scene = await Scene.open(cluster, 'up-back')
  const [first, second] = await pushVersions(scene)
  const free = keepPlugins(scene)
  const rollout = await start(scene, first)
  await rollout.release('2', second)
  await rollout.ask('2')
  await rollout.untilTold('DevicePluginStillRunning')
  await rollout.ask('1')
  await rollout.untilTold('VersionDiffers')
  free()
  await forcePlugin(scene, rollout)
  await rollout.untilRunning('1')
  expect([scene.kernel.insertions('kmm_demo'), scene.kernel.removals('kmm_demo')]).toEqual([1, 0])
})

it('leads a DRA driver from version to version as it does a device plugin', async () => {
  const scene = await Scene.open(cluster, 'up-dra')
  const [first, second] = await pushVersions(scene)
  const rollout = await Rollout.startDriver(scene, first)
  rollouts.push(rollout)
  await expectInOrder(rollout, coming('1'), '1')
  await rollout.release('2', second)
  await rollout.ask('2')
  await rollout.untilRunning('2')
  await expectInOrder(rollout, [...leaving('1'), ...coming('2')], '2')
  expect(rollout.plugins.map(({ metadata }) => metadata?.labels?.[roleLabel])).toEqual(['dra'])
})

it('keeps the version of a node that waits for its upgrade over a reboot, and its device plugin', async () => {
  const scene = await Scene.open(cluster, 'up-reboot')
  const [first, second] = await pushVersions(scene)
  const rollout = await start(scene, first)
  await rollout.release('2', second)
  await rollout.untilTold('VersionDiffers')
  const boot = scene.kernel.bootId
  await scene.node.reboot()
  expect(scene.kernel.bootId).not.toBe(boot)
  await scene.until('the load in the new boot', () => scene.kernel.insertions('kmm_demo') === 2)
  await rollout.untilRunning('1')
  await rollout.untilTold('VersionDiffers')
  await cluster.quiet()
  expect(rollout.isRunning('1')).toBe(true)
  const [loaded, again, ...more] = historyOf(scene)
  expect([again, more]).toEqual([loaded, []])
})

it('upgrades one Module of a node and leaves the other alone, also where names have dots', async () => {
  const scene = await Scene.open(cluster, 'up-two')
  const [first, second] = await pushVersions(scene)
  const more = await scene.push('more', await exampleFiles(kernel56, 'prebuilt-more'))
  const dotted = await start(scene, first, 'demo.v1.x')
  const other = await start(scene, more, 'other', 'dummy')
  await dotted.release('2', second)
  await other.release('2', more)
  for (const each of [dotted, other]) await each.untilTold('VersionDiffers')
  for (const each of [dotted, other]) await expectInOrder(each, coming('1'), '1')

  await dotted.ask('2')
  await dotted.untilRunning('2')
  await expectInOrder(dotted, [...leaving('1'), ...coming('2')], '2')
  await cluster.quiet()
  expect(other.record.take()).toEqual([])
  expect([scene.kernel.insertions('dummy'), scene.kernel.removals('dummy')]).toEqual([1, 0])
  await other.ask('2')
  await other.untilRunning('2')
  expect(dotted.record.take()).toEqual([])
})

it('two Modules of a node change at once, each in its order', async () => {
  const scene = await Scene.open(cluster, 'up-both')
  const [first, second] = await pushVersions(scene)
  const more = await scene.push('more', await exampleFiles(kernel56, 'prebuilt-more'))
  const rollouts = [await start(scene, first), await start(scene, more, 'other', 'dummy')]
  for (const each of rollouts) {
    await each.release('2', each.name === 'demo' ? second : more)
    await each.untilTold('VersionDiffers')
    await expectInOrder(each, coming('1'), '1')
  }
  await Promise.all(rollouts.map((each) => each.ask('2')))
  for (const each of rollouts) {
    await each.untilRunning('2')
    await expectInOrder(each, [...leaving('1'), ...coming('2')], '2')
  }
})

it('mends labels that somebody has changed, and takes them off with the Module', async () => {
  const scene = await Scene.open(cluster, 'up-mended')
  const [image] = await pushVersions(scene)
  const rollout = await start(scene, image)
  const [worker, schedule] = ['worker', 'schedule'].map(
    (what) => `beta.kmm.node.kubernetes.io/version-${what}-pod.up-mended.demo`,
  ) as [string, string]
  const changes: [labels: Record<string, string | null>, ...story: string[]][] = [
    [{ [schedule]: '7' }, 'schedule label: 7', 'schedule label: 1'],
    [{ [worker]: '7' }, 'worker label: 7', 'worker label: 1'],
    [{ [worker]: null }, 'no worker label', 'no schedule label', 'worker label: 1', 'schedule label: 1'],
    [{ [worker]: '', [schedule]: '' }, 'worker label: ', 'schedule label: ', 'worker label: 1', 'schedule label: 1'],
  ]
  for (const [labels, ...story] of changes) {
    await rollout.untilRunning('1')
    await cluster.quiet()
    rollout.record.take()
    await scene.node.label(labels)
    // What was changed may be mended before anybody looks at the node.
    await scene.until('it is mended', () => rollout.record.holds(story))
  }
  await rollout.untilRunning('1')
  await cluster.deleteModule('demo', scene.name)
  await scene.untilGone()
  await scene.until('no internal labels', () => JSON.stringify(rollout.labels) === JSON.stringify({ asked: '1' }))
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})
