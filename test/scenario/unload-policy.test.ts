import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unloadPolicyAnnotation } from '../../src/api/annotations.ts'
import type { Module } from '../../src/api/module.ts'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { patience } from './engine.ts'
import { Rollout } from './rollout.ts'
import { Scene } from './scene.ts'
import { nmcResource } from './view.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const withPolicy =
  (policy: string) =>
  ({ metadata }: Module): void => {
    metadata.annotations = { [unloadPolicyAnnotation]: policy }
  }

const withPlugin = ({ spec }: Module): void => {
  if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
}

/** Another Module on the scene's node. */
const another =
  (name: string, moduleName: string) =>
  ({ metadata, spec }: Module): void => {
    metadata.name = name
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName })
  }

async function openLoaded(name: string, change?: (module: Module) => void): Promise<Scene> {
  const scene = await Scene.open(cluster, name)
  await scene.create(await scene.push('1'), change)
  await scene.untilReady()
  return scene
}

/** Pushes an image with kmm_demo_dev. */
const pushMore = async (scene: Scene): Promise<string> =>
  scene.push('more', await exampleFiles(kernel56, 'prebuilt-more'))

/** What the node was told of modules that stay in its kernel. */
const leftOf = (scene: Scene): string[] =>
  cluster.view.events
    .list()
    .filter(({ reason, involvedObject }) => reason === 'ModuleLeftLoaded' && involvedObject.name === scene.name)
    .map(({ message = '' }) => message)

const planned = ({ name }: Scene): string[] => cluster.nmc(name)?.spec?.modules?.map((each) => each.name) ?? []

const loadedImage = ({ name }: Scene): string | undefined =>
  cluster.nmc(name)?.status?.modules?.[0]?.config?.containerImage

const reasonOf = (scene: Scene, name: string): string | undefined =>
  cluster.condition('Ready', name, scene.name)?.reason

describe('a node whose module is loaded', () => {
  it.concurrent('keeps it with its label and its device plugin when it is cordoned and tainted', async () => {
    const scene = await openLoaded('cordoned', withPlugin)
    scene.kernel.setInUse('kmm_demo', 1)
    const listPlugins = (): (string | undefined)[] =>
      cluster.view.pods
        .list()
        .filter(({ metadata, status }) => metadata?.namespace === scene.name && status?.phase === 'Running')
        .map(({ metadata }) => metadata?.uid)
    await scene.until('the device plugin', () => listPlugins().length === 1)
    const [before, history] = [listPlugins(), scene.kernel.history]
    await scene.node.cordon()
    await scene.node.addTaint('maintenance', 'NoSchedule')
    // Somebody new, who asks for what the node got last, shows that both were seen.
    const selector = { 'scene.example/late': '' }
    await scene.node.label(selector)
    await scene.create(scene.image('1'), (module) => {
      another('late', 'kmm_demo_fw')(module)
      if (module.spec) module.spec.selector = selector
    })
    await scene.until('nobody comes', () => reasonOf(scene, 'late') === 'NodeNotSchedulable')
    expect([scene.isReady, planned(scene), scene.pods.Unload.size]).toEqual([true, ['demo'], 0])
    expect([listPlugins(), scene.kernel.history]).toEqual([before, history])
  })

  it.concurrent('loads it again after a reboot, and follows its Module, while it is tainted', async () => {
    const scene = await openLoaded('tainted')
    await scene.node.addTaint('maintenance', 'NoSchedule')
    await scene.node.reboot()
    await scene.until('the module in the new boot', () => scene.kernel.isLoaded('kmm_demo'))
    await scene.untilReady()
    await scene.useImage(await scene.push('2'))
    await scene.until('the new image', () => loadedImage(scene) === scene.image('2'))
    await scene.untilReady()
  })
})

describe('the policy OnTaint', () => {
  it.concurrent('unloads the module from a tainted node, and loads it when the taint is gone', async () => {
    const scene = await openLoaded('on-taint', withPolicy('OnTaint'))
    await scene.node.cordon()
    await scene.until('it is unloaded', () => !scene.kernel.isLoaded('kmm_demo'))
    await scene.untilTold('NodeTainted')
    await scene.untilUnlabelled()
    await scene.node.uncordon()
    await scene.until('it is loaded', () => scene.kernel.isLoaded('kmm_demo'))
    await scene.untilReady()
  })

  it.concurrent('unloads nothing when the taint goes before the unload has begun', async () => {
    const scene = await openLoaded('taint-passes', withPolicy('OnTaint'))
    const { history } = scene.kernel
    scene.rule({ do: 'hang' })
    await scene.node.addTaint('maintenance', 'NoExecute')
    await scene.until('a pod to unload', () => scene.pods.Unload.size === 1)
    await scene.node.removeTaint('maintenance', 'NoExecute')
    await scene.untilReady()
    await scene.until('the pod is gone', () => scene.pod === undefined)
    expect(scene.kernel.history).toEqual(history)
  })

  it.concurrent(
    'unloads nothing from a node that was away, although the cluster taints it',
    async () => {
      const scene = await openLoaded('away', withPolicy('OnTaint'))
      const { history } = scene.kernel
      const countTaints = (): number => cluster.view.nodes.get({ name: scene.name })?.spec?.taints?.length ?? 0
      await scene.node.setReady(false)
      await scene.until('it is tainted', () => countTaints() > 0)
      await scene.node.setReady(true)
      await scene.until('it is tainted no more', () => countTaints() === 0)
      await scene.untilReady()
      expect(planned(scene)).toHaveLength(1)
      expect([scene.kernel.history, scene.pods.Unload.size, scene.pods.Load.size]).toEqual([history, 0, 1])
    },
    120_000 * patience,
  )
})

describe('the policy Never', () => {
  it.concurrent('leaves the module loaded when its Module is deleted, and says so once', async () => {
    const scene = await openLoaded('never', withPolicy('Never'))
    await scene.delete()
    await scene.untilGone()
    await scene.untilUnlabelled()
    await scene.until('no plan', () => cluster.nmc(scene.name) === undefined)
    await scene.until('the event', () => leftOf(scene).length > 0)
    expect(leftOf(scene)).toEqual([
      'Module never/demo is released, and stays in the kernel until the next boot: its unload policy is Never',
    ])
    expect([scene.kernel.isLoaded('kmm_demo'), scene.pods.Unload.size]).toEqual([true, 0])
    await scene.create(scene.image('1'))
    await scene.untilReady()
    await scene.until('its report', () => scene.reports.some(({ alreadyLoaded }) => alreadyLoaded))
    expect(scene.reports.at(-1)).toMatchObject({ action: 'load', outcome: 'ok', alreadyLoaded: true })
  })

  it.concurrent('lets a Module go at once while its load runs', async () => {
    const scene = await Scene.open(cluster, 'never-running')
    scene.rule({ do: 'ready' })
    await scene.create(await scene.push('1'), withPolicy('Never'))
    await scene.until('the worker runs', () => scene.pod?.status?.phase === 'Running')
    await scene.delete()
    await scene.untilGone()
    await scene.until('the event', () => leftOf(scene).length > 0)
    expect(leftOf(scene)).toEqual([expect.stringContaining('what there may be of it stays in the kernel')])
    expect(scene.pods.Unload.size).toBe(0)
  })

  it.concurrent('frees a Module whose unload is stuck, when it is set then', async () => {
    const scene = await openLoaded('never-late')
    scene.kernel.setInUse('kmm_demo', 1)
    await scene.delete()
    await scene.untilFailed('ModuleInUse')
    await scene.annotate({ [unloadPolicyAnnotation]: 'Never' })
    await scene.untilGone()
    expect(scene.kernel.isLoaded('kmm_demo')).toBe(true)
  })

  it.concurrent('has a new image wait for the reboot', async () => {
    const scene = await openLoaded('never-changed', withPolicy('Never'))
    await scene.useImage(await scene.push('2'))
    await scene.untilTold('UnloadForbidden')
    expect([scene.isReady, loadedImage(scene)]).toEqual([true, scene.image('1')])
    await scene.node.reboot()
    await scene.until('the new image', () => loadedImage(scene) === scene.image('2'))
    await scene.untilReady()
    expect(scene.pods.Unload.size).toBe(0)
  })

  it.concurrent('has a new image wait until the policy is another one', async () => {
    const scene = await openLoaded('never-lifted', withPolicy('Never'))
    await scene.useImage(await scene.push('2'))
    await scene.untilTold('UnloadForbidden')
    await scene.annotate({ [unloadPolicyAnnotation]: null })
    await scene.until('the new image', () => loadedImage(scene) === scene.image('2'))
    await scene.untilReady()
    await scene.until('one unload, two loads', () => scene.pods.Unload.size === 1 && scene.pods.Load.size === 2)
  })

  it.concurrent('has an ordered upgrade wait for the reboot, the device plugin running', async () => {
    const scene = await Scene.open(cluster, 'never-upgrade')
    const rollout = await Rollout.start(scene, await scene.push('1'))
    try {
      await scene.annotate({ [unloadPolicyAnnotation]: 'Never' })
      await rollout.release('2', await scene.push('2'))
      const uids = rollout.plugins.map(({ metadata }) => metadata?.uid)
      await rollout.ask('2')
      expect(await rollout.untilTold('UnloadForbidden')).toContain('reboot the node')
      await scene.until('the next boot may have it', () => rollout.labels['worker'] === '2')
      expect(rollout.labels).toMatchObject({ schedule: '1', ready: '', version: '1' })
      expect(rollout.plugins.map(({ metadata }) => metadata?.uid)).toEqual(uids)
      await scene.node.reboot()
      await rollout.untilRunning('2')
      expect(scene.pods.Unload.size).toBe(0)
    } finally {
      await rollout.record.stop()
    }
  })

  it.concurrent('keeps what is loaded when it is set in the middle of a change', async () => {
    const scene = await openLoaded('never-midway')
    const { history } = scene.kernel
    scene.rule({ do: 'hang' })
    await scene.useImage(await scene.push('2'))
    await scene.until('a pod to unload', () => scene.pods.Unload.size === 1)
    await scene.annotate({ [unloadPolicyAnnotation]: 'Never' })
    await scene.untilTold('UnloadForbidden')
    await scene.until('the label is back', () => scene.isReady)
    expect([loadedImage(scene), scene.kernel.history]).toEqual([scene.image('1'), history])
  })
})

it.concurrent('tells of a policy that is none, which counts as the default', async () => {
  const scene = await openLoaded('misspelt', withPolicy('never'))
  expect(scene.condition('Ready')?.message).toBe(
    'loaded on 1 node; annotation kmm.sigs.x-k8s.io/unload-policy is "never", not one of OnDelete, OnTaint, Never: OnDelete counts',
  )
  await scene.delete()
  await scene.untilGone()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

describe('two Modules', () => {
  it.concurrent('have one kernel module one after the other', async () => {
    const scene = await openLoaded('claimed')
    scene.kernel.setInUse('kmm_demo', 1)
    await scene.create(scene.image('1'), another('second', 'kmm-demo'))
    await scene.until('the second is told', () => reasonOf(scene, 'second') === 'ModuleClaimed')
    expect([scene.condition('Ready')?.reason, planned(scene)]).toEqual(['Loaded', ['demo']])
    await scene.delete()
    await scene.untilFailed('ModuleInUse')
    expect(planned(scene)).toEqual([])
    scene.kernel.setInUse('kmm_demo', 0)
    await scene.untilGone()
    await scene.until('the second is loaded', () => cluster.isReady(scene.name, 'second', scene.name))
    await scene.until('the second is well', () => reasonOf(scene, 'second') === 'Loaded')
    const actions = (): string[] => scene.reports.filter(({ outcome }) => outcome === 'ok').map(({ action }) => action)
    await scene.until('the reports', () => actions().includes('unload') && actions().at(-1) === 'load')
    expect(scene.reports.filter(({ alreadyLoaded }) => alreadyLoaded)).toEqual([])
  })

  it.concurrent('do not take over each other by an edit', async () => {
    const scene = await openLoaded('claimed-edit')
    await scene.create(await pushMore(scene), another('other', 'kmm_demo_dev'))
    await scene.until('the other is loaded', () => cluster.isReady(scene.name, 'other', scene.name))
    const kernelMappings = [{ regexp: '^.+$', containerImage: scene.image('1') }]
    const container = { modprobe: { moduleName: 'kmm_demo' }, kernelMappings }
    await cluster.patchModule({ moduleLoader: { container } }, 'other', scene.name)
    await scene.until('the other is told', () => reasonOf(scene, 'other') === 'ModuleClaimed')
    expect([scene.isReady, cluster.isReady(scene.name, 'other', scene.name)]).toEqual([true, true])
    expect([scene.kernel.isLoaded('kmm_demo'), scene.kernel.isLoaded('kmm_demo_dev')]).toEqual([true, true])
    await scene.delete()
    await scene.untilGone()
    await scene.until('the other has it', () => scene.kernel.isLoaded('kmm_demo'))
    expect(scene.kernel.isLoaded('kmm_demo_dev')).toBe(false)
    await scene.until('the other is well', () => reasonOf(scene, 'other') === 'Loaded')
  })

  it.concurrent('that have it already leave it to each other, and the last of them unloads it', async () => {
    const scene = await openLoaded('shared')
    const [entry] = cluster.nmc(scene.name)?.spec?.modules ?? []
    if (entry === undefined) throw new Error('no plan')
    const body = { spec: { modules: [entry, { ...entry, name: 'second' }] } }
    await cluster.sandbox.client.patch(nmcResource, { name: scene.name }, { type: 'merge', body })
    await scene.until('both', () => scene.isReady && cluster.isReady(scene.name, 'second', scene.name))
    await scene.create(scene.image('1'), another('second', 'kmm_demo'))
    const isTold = (name: string): boolean => reasonOf(scene, name) === 'ModuleClaimed'
    await scene.until('both are told', () => isTold('demo') && isTold('second'))
    await scene.useImage(await scene.push('2'))
    await scene.delete()
    await scene.untilGone()
    await scene.until('the event', () => leftOf(scene).length > 0)
    expect(leftOf(scene)).toEqual([expect.stringContaining('Module shared/second has kernel module kmm_demo, too')])
    await scene.until('the second is well', () => reasonOf(scene, 'second') === 'Loaded')
    expect([scene.kernel.isLoaded('kmm_demo'), scene.pods.Unload.size]).toEqual([true, 0])
    await scene.delete('second')
    await scene.until('it is unloaded', () => !scene.kernel.isLoaded('kmm_demo'))
    await scene.until('the second is gone', () => cluster.module('second', scene.name) === undefined)
  })

  it.concurrent('of one name in two namespaces do not meet', async () => {
    const scene = await openLoaded('namesake')
    const other = await Scene.open(cluster, 'namesake-other')
    await other.create(await pushMore(scene), (module) => {
      another('demo', 'kmm_demo_dev')(module)
      if (module.spec) module.spec.selector = scene.selector
    })
    await scene.until('both', () => cluster.isReady(scene.name, 'demo', other.name) && scene.isReady)
    expect(scene.kernel.isLoaded('kmm_demo_dev')).toBe(true)
    await scene.delete()
    await scene.untilGone()
    expect([scene.kernel.isLoaded('kmm_demo'), scene.kernel.isLoaded('kmm_demo_dev')]).toEqual([false, true])
    await scene.until('the pod of the other', () => other.pods.Load.size === 1)
    expect(cluster.isReady(scene.name, 'demo', other.name)).toBe(true)
  })
})
