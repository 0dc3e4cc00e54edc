import type { Event as CoreEvent, Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect } from 'vitest'
import {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  getModuleVersionLabelName,
  roleLabel,
} from '../../src/api/labels.ts'
import type { Module } from '../../src/api/module.ts'
import { nodes, pods, serviceAccounts } from '../../src/kube/core-resources.ts'
import { takeAway } from './away.ts'
import { Cluster, kernel56 } from './cluster.ts'
import { type HeldRequest, HeldClient } from './held-client.ts'
import { LeapClock } from './leap-clock.ts'
import { forbidPods } from './pod-quota.ts'
import { createReasonTests, workersEndWell } from './reason-test.ts'
import { makeLoadReport, type Scene } from './scene.ts'

let cluster: Cluster
const clock = new LeapClock()
const held = new HeldClient()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], rules: workersEndWell })
  await cluster.startOperator({ clock, wrap: held.wrap })
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

const mapTo = (literal: string, image: string): object => ({
  kernelMappings: [{ literal, containerImage: image }],
})

/** How many pods were made to load, and to unload. */
const countPods = ({ pods: { Load, Unload } }: Scene): number[] => [Load.size, Unload.size]

async function loadFirst(scene: Scene): Promise<void> {
  await scene.create(await scene.push('1'))
  await scene.untilReady()
}

itEndsIn('NoKernelMapping', 'a kernel that no mapping matches, until one does', async (scene) => {
  const image = await scene.push('1')
  await scene.create(image, ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container ?? {}, mapTo('5.10.0', image))
  })
  await scene.untilTold('NoKernelMapping')
  await scene.untilCondition('Ready', 'False', 'NoKernelMapping')
  expect(scene.condition('Ready')?.message).toContain('add one to spec.moduleLoader.container.kernelMappings')
  expect(cluster.nmc(scene.name)).toBeUndefined()
  await scene.patchContainer(mapTo(kernel56, image))
  await scene.untilReady()
})

/** Loads the Module on a second node, too. */
async function loadTwice(scene: Scene, change?: (module: Module) => void): Promise<void> {
  const labels = scene.selector
  await cluster.sandbox.addNode({ name: `${scene.name}-second`, kernel: kernel56, labels })
  await scene.create(await scene.push('1'), change)
  await scene.until('both nodes', () => scene.module?.status?.moduleLoader?.availableNumber === 2)
}

const isTold = (scene: Scene, reason: string): boolean =>
  scene.module?.status?.reasons?.some((each) => each.reason === reason) ?? false

itEndsIn('ModuleDeleted', 'the node that is done, while another one is not', async (scene) => {
  await loadTwice(scene)
  const lift = scene.rule({ do: 'hang' }, `^${scene.podName}$`)
  await scene.delete()
  await scene.until('ModuleDeleted', () => isTold(scene, 'ModuleDeleted') && scene.pod)
  lift()
  await scene.untilGone()
})

itEndsIn('ModuleLoaderRemoved', 'the node that is done, while another one is not', async (scene) => {
  await loadTwice(scene, ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  const lift = scene.rule({ do: 'hang' }, `^${scene.podName}$`)
  await scene.patch({ moduleLoader: null })
  await scene.until('ModuleLoaderRemoved', () => isTold(scene, 'ModuleLoaderRemoved') && scene.pod)
  lift()
  await scene.until('the plugin alone', () => !scene.module?.status?.reasons)
  await scene.until('no plan', () => cluster.nmc(scene.name) === undefined)
})

itEndsIn('SelectorMismatch', 'a node that is no longer selected, until it is again', async (scene) => {
  await loadFirst(scene)
  const letGo = held.hold(
    ({ plural, verb, name }) => plural === 'nodemodulesconfigs' && verb === 'delete' && name === scene.name,
  )
  await scene.node.label({ 'scene.example/name': null })
  await scene.untilTold('SelectorMismatch')
  await scene.until('a load and an unload', () => countPods(scene).join() === '1,1')
  letGo()
  await scene.node.label(scene.selector)
  await scene.untilReady()
})

itEndsIn('MappingInvalid', 'a pattern that is none, until it is corrected', async (scene) => {
  const image = await scene.push('1')
  await scene.create(image, ({ spec }) => {
    const kernelMappings = [{ regexp: '^(?!5)', containerImage: image }]
    Object.assign(spec?.moduleLoader?.container ?? {}, { kernelMappings })
  })
  await scene.untilTold('MappingInvalid')
  await scene.untilCondition('Degraded', 'True', 'MappingInvalid')
  await scene.useImage(image)
  await scene.untilReady()
})

itEndsIn('ImageMissing', 'an image that nobody has pushed, until somebody does', async (scene) => {
  await scene.create(scene.image('1'))
  await scene.untilTold('ImageMissing')
  await scene.untilCondition('ImagesReady', 'False', 'ImageNotFound')
  expect(cluster.nmc(scene.name)).toBeUndefined()
  await scene.push('1')
  await clock.pass(20_000, scene.untilReady())
})

itEndsIn('ImageUnverified', 'a new image that may not be read: what runs stays, until it may', async (scene) => {
  await loadFirst(scene)
  const image = await scene.push('2')
  const action = { do: 'answer' as const, status: 403, code: 'DENIED' }
  const lift = cluster.sandbox.registry.fail({ repository: scene.repository, reference: '2', action })
  await scene.useImage(image)
  await scene.until('the check', () => scene.condition('ImagesReady')?.reason === 'RegistryUnauthorized')
  await clock.pass(120_000, scene.untilTold('ImageUnverified'))
  expect([scene.isReady, ...countPods(scene)]).toEqual([true, 1, 0])
  lift()
  await clock.pass(
    20_000,
    scene.until('the new image', () => scene.pods.Load.size === 2),
  )
  await scene.untilReady()
})

itEndsIn(
  'NodeNotSchedulable',
  'a taint that the Module does not tolerate, until it is gone',
  async (scene) => {
    await scene.create(await scene.push('1'))
    await scene.untilTold('NodeNotSchedulable')
    expect(cluster.nmc(scene.name)).toBeUndefined()
    await scene.node.removeTaint('dedicated', 'NoSchedule')
    await scene.untilReady()
  },
  { node: { taints: [{ key: 'dedicated', effect: 'NoSchedule' }] } },
)

itEndsIn('NodeNotReady', 'a change for a node that is away, until it is back', async (scene) => {
  await loadFirst(scene)
  const image = await scene.push('2')
  await takeAway(scene)
  await scene.useImage(image)
  await scene.untilTold('NodeNotReady')
  expect(countPods(scene)).toEqual([1, 0])
  await scene.node.setReady(true)
  await scene.until('the new image', () => scene.pods.Load.size === 2)
  await scene.untilReady()
})

itEndsIn('NodeGone', 'a node that was deleted, until nothing tells of it any more', async (scene) => {
  await loadFirst(scene)
  await scene.holdConfig(['scene.example/hold'])
  await scene.node.delete()
  await scene.untilTold('NodeGone')
  await scene.holdConfig([])
  await scene.until('nothing is left', () => scene.condition('Ready')?.reason === 'NoMatchingNodes')
  expect(scene.module?.status).not.toHaveProperty('reasons')
})

itEndsIn('ModuleVanished', 'a Module that nobody deleted takes nothing along, and is taken up again', async (scene) => {
  await loadFirst(scene)
  // Else the end of its pod would be what the node is looked at again for.
  await scene.until('the worker pod is gone', () => scene.pod === undefined)
  const isOwn = ({ plural, namespace }: HeldRequest): boolean => plural === 'modules' && namespace === scene.name
  const letGo = held.hold(isOwn)
  await scene.patchFinalizers([])
  await scene.delete()
  await scene.untilGone()
  letGo()
  await scene.until('the words for it', () => scene.worker?.reason === 'ModuleVanished')
  expect(scene.worker?.message).toContain('create it again')
  const isEvent = ({ reason, involvedObject }: CoreEvent): boolean =>
    reason === 'ModuleVanished' && involvedObject.name === scene.name
  await scene.until('an event on the node', () => cluster.view.events.list().some(isEvent))
  await scene.create(scene.image('1'))
  await scene.untilReady()
  await scene.until('it is told no more', () => scene.worker === undefined)
  expect(countPods(scene)).toEqual([1, 0])
})

itEndsIn('FinalizerMissing', 'a Module without its finalizer gets nothing, until it has it', async (scene) => {
  const letGo = held.hold(
    ({ plural, namespace, verb }) => plural === 'modules' && verb === 'patch' && namespace === scene.name,
  )
  await scene.create(await scene.push('1'))
  await scene.until('the words for it', () =>
    cluster.log.some((line) => line.includes(`"FinalizerMissing","msg":"waits: ${scene.name}/`)),
  )
  expect(cluster.nmc(scene.name)).toBeUndefined()
  letGo()
  await scene.untilReady()
})

itEndsIn(
  'NameTooLong',
  'a Module whose name no label has room for, and another one beside it does not care',
  async (scene) => {
    const image = await scene.push('1')
    const name = 'm'.repeat(50)
    await scene.create(image, ({ metadata, spec }) => {
      metadata.name = name
      Object.assign(spec?.moduleLoader?.container ?? {}, { modprobe: { moduleName: 'kmm_demo_a' } })
    })
    await scene.until('the words for it', () => cluster.condition('Ready', name, scene.name)?.reason === 'NameTooLong')
    expect(cluster.condition('Ready', name, scene.name)?.message).toContain('create it under a shorter name')
    await scene.create(image)
    await scene.untilReady()
    await scene.delete(name)
    await scene.until('it is gone', () => cluster.module(name, scene.name) === undefined)
  },
)

const setVersion = (scene: Scene, version: string): Promise<void> =>
  scene.node.label({ [getModuleVersionLabelName(scene.name, 'demo')]: version })

itEndsIn(
  'VersionLabelMissing',
  'an ordered upgrade without the label on the node, until it is there',
  async (scene) => {
    await scene.create(await scene.push('1'), ({ spec }) => {
      Object.assign(spec?.moduleLoader?.container ?? {}, { version: '1' })
    })
    await scene.untilTold('VersionLabelMissing')
    expect(cluster.nmc(scene.name)).toBeUndefined()
    await setVersion(scene, '1')
    await scene.untilReady()
    expect(cluster.labels(scene.name)[getKernelModuleVersionReadyNodeLabel(scene.name, 'demo')]).toBe('1')
  },
)

itEndsIn('VersionDiffers', 'a version that the node is not to have, until it is', async (scene) => {
  await setVersion(scene, '1')
  await scene.create(await scene.push('1'), ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container ?? {}, { version: '2' })
  })
  await scene.untilTold('VersionDiffers')
  expect(cluster.nmc(scene.name)).toBeUndefined()
  await setVersion(scene, '2')
  await scene.untilReady()
  const kernelMappings = [{ regexp: '^.+$', containerImage: await scene.push('2') }]
  await scene.patchContainer({ version: '3', kernelMappings })
  await scene.untilTold('VersionDiffers')
  const words = `the Module's version is 3; set the node's label ${getModuleVersionLabelName(scene.name, 'demo')}=3`
  expect(scene.condition('Ready')).toMatchObject({ status: 'True', message: expect.stringContaining(words) })
  expect([scene.isReady, ...countPods(scene)]).toEqual([true, 1, 0])
  await setVersion(scene, '3')
  await scene.until('the new image', () => scene.pods.Load.size === 2)
  await scene.untilReady()
})

itEndsIn('DevicePluginStillRunning', 'a device plugin that will not end, until it is made to', async (scene) => {
  const match = { namespace: scene.name, labels: { [roleLabel]: 'device-plugin' } }
  cluster.sandbox.rules.add({ match, terminationMs: 600_000 })
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  await scene.untilReady()
  await scene.delete()
  await scene.untilFailed('DevicePluginStillRunning', 0)
  // The server itself, not a view that may lag: the label goes before anything is told.
  const { metadata } = await cluster.sandbox.client.get(nodes, { name: scene.name })
  expect(metadata?.labels).not.toHaveProperty([getKernelModuleReadyNodeLabel(scene.name, 'demo')])
  expect(countPods(scene)).toEqual([1, 0])
  const isPlugin = ({ metadata }: Pod): boolean =>
    metadata?.namespace === scene.name && metadata.labels?.[roleLabel] === 'device-plugin'
  const plugin = cluster.view.pods.list().find(isPlugin)
  const key = { namespace: scene.name, name: plugin?.metadata?.name ?? '' }
  await cluster.sandbox.client.delete(pods, key, { gracePeriodSeconds: 0 })
  await scene.untilGone()
  await scene.until('a load and an unload', () => countPods(scene).join() === '1,1')
})

itEndsIn(
  'WorkerPodRefused',
  'a namespace that allows no privileged pods, until it is labelled as the message says',
  async (scene) => {
    await scene.create(await scene.push('1'))
    const message = await scene.untilFailed('WorkerPodRefused')
    expect(message).toContain(
      `kubectl label --overwrite ns "${scene.name}" pod-security.kubernetes.io/enforce=privileged`,
    )
    await scene.labelNamespace({ 'pod-security.kubernetes.io/enforce': 'privileged' })
    await clock.pass(5_000, scene.untilReady())
  },
  { namespaceLabels: { 'pod-security.kubernetes.io/enforce': 'baseline' } },
)

itEndsIn('WorkerPodRefused', 'a quota that is used up, until it is raised', async (scene) => {
  const raise = await forbidPods(scene)
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('WorkerPodRefused')).toContain(`raise the quota of namespace ${scene.name}`)
  await clock.pass(5_000, scene.untilFailed('WorkerPodRefused', 2))
  await raise(1)
  await clock.pass(10_000, scene.untilReady())
})

itEndsIn('WorkerPodRefused', 'a service account that is missing, until it is made', async (scene) => {
  await scene.create(await scene.push('1'), ({ spec }) => {
    Object.assign(spec?.moduleLoader ?? {}, { serviceAccountName: 'loader' })
  })
  expect(await scene.untilFailed('WorkerPodRefused')).toContain('create the service account')
  const metadata = { namespace: scene.name, name: 'loader' }
  await cluster.sandbox.client.create(serviceAccounts, { metadata })
  await clock.pass(5_000, scene.untilReady())
})

itEndsIn('WorkerPodPending', 'a pod that does not start for a minute, until it does', async (scene) => {
  const lift = scene.rule({ do: 'hang' })
  await scene.create(await scene.push('1'))
  await scene.until('the pod', () => scene.pod)
  await clock.pass(60_000, scene.untilFailed('WorkerPodPending'))
  lift()
  await scene.untilReady()
})

itEndsIn('WorkerImageUnavailable', 'a worker image that cannot be pulled, until it can', async (scene) => {
  const lift = scene.rule({ do: 'imagePullError' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('WorkerImageUnavailable')).toContain('kmm-worker:sandbox')
  lift()
  await scene.untilReady()
})

itEndsIn('WorkerRunning', 'a module that takes its time', async (scene) => {
  const isProgress = (): boolean => scene.condition('Progressing')?.status === 'True'
  const when = scene.until('it is told', () => scene.isToldOnModule('WorkerRunning') && isProgress())
  scene.rule({ do: 'succeed', when, message: makeLoadReport(scene) })
  await scene.create(await scene.push('1'))
  await when
  await scene.untilReady()
})

itEndsIn('WorkerLost', 'a pod that is evicted, until its successor has loaded the module', async (scene) => {
  const lift = scene.rule({ do: 'ready' })
  await scene.create(await scene.push('1'))
  await scene.until('the pod runs', () => scene.pod?.status?.phase === 'Running')
  // What runs goes on; its successor, for which others may leap at any time, is to end well.
  lift()
  const status = { phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: memory.' }
  const key = { namespace: scene.name, name: scene.podName }
  const patch = { type: 'merge' as const, body: { status } }
  await cluster.sandbox.client.patch(pods, key, patch, { subresource: 'status' })
  expect(await scene.untilFailed('WorkerLost')).toContain('low on resource')
  await clock.pass(30_000, scene.untilReady())
})

itEndsIn('NodeModulesConfigPending', 'a plan that cannot be written, until it can', async (scene) => {
  const image = await scene.push('1')
  await scene.create(image, ({ metadata, spec }) => {
    metadata.name = 'first'
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName: 'kmm_demo_dep' })
  })
  await scene.until('the first Module', () => cluster.isReady(scene.name, 'first', scene.name))
  const letGo = held.hold(({ plural, name }) => plural === 'nodemodulesconfigs' && name === scene.name)
  await scene.create(image)
  await scene.untilTold('NodeModulesConfigPending')
  letGo()
  await scene.untilReady()
})
