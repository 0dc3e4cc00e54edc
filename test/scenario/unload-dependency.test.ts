import { afterAll, beforeAll, expect, it } from 'vitest'
import { getKernelModuleReadyNodeLabel } from '../../src/api/labels.ts'
import { Cluster } from './cluster.ts'
import { Scene } from './scene.ts'

// kmm_demo depends on kmm_demo_dep, which a Module of its own asks for.

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const isBaseReady = ({ name }: Scene): boolean => cluster.isReady(name, 'base', name)

async function createBase(scene: Scene): Promise<void> {
  await scene.create(scene.image('1'), ({ metadata, spec }) => {
    metadata.name = 'base'
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName: 'kmm-demo-dep' })
  })
}

/** Counts how often the node lost the ready label of the Module `base`. */
function watchLabel({ name }: Scene): () => number {
  const label = getKernelModuleReadyNodeLabel(name, 'base')
  let losses = 0
  cluster.view.nodes.onChange(({ before, after }) => {
    const has = (node: typeof before): boolean => node?.metadata?.labels?.[label] !== undefined
    if (before?.metadata?.name === name && has(before) && !has(after)) losses += 1
  })
  return () => losses
}

it.concurrent('leaves what another Module asks for when the one that used it is changed, and when it is deleted', async () => {
  const scene = await Scene.open(cluster, 'dependency')
  await scene.push('1')
  await createBase(scene)
  await scene.until('the dependency', () => isBaseReady(scene))
  const losses = watchLabel(scene)
  await scene.create(scene.image('1'))
  await scene.untilReady()
  await scene.useImage(await scene.push('2'))
  await scene.until('it is unloaded and loaded', () => scene.kernel.removals('kmm_demo') === 1)
  await scene.untilReady()
  await scene.delete()
  await scene.untilGone()
  expect(scene.kernel.removals('kmm_demo')).toBe(2)
  expect([scene.kernel.isLoaded('kmm_demo_dep'), isBaseReady(scene), losses()]).toEqual([true, true, 0])
  expect(scene.kernel.removals('kmm_demo_dep')).toBe(0)
  await scene.delete('base')
  await scene.until('the dependency is unloaded', () => !scene.kernel.isLoaded('kmm_demo_dep'))
})

it.concurrent('leaves it also for a Module that comes while the other waits for its unload', async () => {
  const scene = await Scene.open(cluster, 'dependency-late')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  scene.kernel.setInUse('kmm_demo', 1)
  await scene.delete()
  await scene.untilFailed('ModuleInUse')
  await createBase(scene)
  await scene.until('the dependency', () => isBaseReady(scene))
  scene.kernel.setInUse('kmm_demo', 0)
  await scene.untilGone()
  expect([scene.kernel.isLoaded('kmm_demo'), scene.kernel.isLoaded('kmm_demo_dep')]).toEqual([false, true])
  expect([scene.kernel.removals('kmm_demo_dep'), isBaseReady(scene)]).toEqual([0, true])
})

it.concurrent('unloads both when both are deleted', async () => {
  const scene = await Scene.open(cluster, 'dependency-both')
  await scene.create(await scene.push('1'))
  await createBase(scene)
  await scene.untilReady()
  await scene.until('the dependency', () => isBaseReady(scene))
  await Promise.all([scene.delete(), scene.delete('base')])
  await scene.untilGone()
  await scene.until('both are unloaded', () => scene.kernel.loadedModules().length === 0)
})
