import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { resourceTypeLabel, workerActionLabel } from '../../src/api/labels.ts'
import type { Module } from '../../src/api/module.ts'
import { configMaps, namespaces } from '../../src/kube/core-resources.ts'
import { takeAway } from './away.ts'
import { build } from './builds.ts'
import { Chronicle } from './chronicle.ts'
import { Cluster, demoModule, nmcResource } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import { Scene } from './scene.ts'

const operatorNamespace = 'kmm-operator-system'

let cluster: Cluster
let endOperator: () => Promise<void>
const clock = new LeapClock()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  endOperator = await cluster.startOperator({ clock })
})
afterAll(() => cluster.stop())

async function openLoaded(name: string, change?: (module: Module) => void): Promise<Scene> {
  const scene = await Scene.open(cluster, name)
  await scene.create(await scene.push('1'), change)
  await scene.untilReady()
  return scene
}

/** The unload pods that ran in the operator's namespace for a scene. */
function watchUnloads(scene: Scene): Set<string> {
  const seen = new Set<string>()
  cluster.view.pods.onChange(({ after }) => {
    if (after?.metadata?.namespace !== operatorNamespace || after.spec?.nodeName !== scene.name) return
    if (after.metadata.labels?.[workerActionLabel] === 'Unload') seen.add(after.metadata.name ?? '')
  })
  return seen
}

const isBuildPod = ({ metadata }: Pod, scene: Scene): boolean =>
  metadata?.namespace === scene.name && metadata.labels?.[resourceTypeLabel] !== undefined

it.concurrent('unloads from its own namespace what a namespace held that somebody deletes, also while it builds', async () => {
  const scene = await openLoaded('end-namespace', ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  const unloads = watchUnloads(scene)
  cluster.sandbox.rules.add({ match: { namespace: scene.name, name: 'build' }, behaviour: { do: 'ready' } })
  const data = { dockerfile: `FROM ${scene.image('1')}\n` }
  await cluster.sandbox.client.create(configMaps, { metadata: { namespace: scene.name, name: 'dockerfile' }, data })
  await cluster.createModule(
    demoModule(scene.image('made'), ({ metadata, spec }) => {
      Object.assign(metadata, { namespace: scene.name, name: 'made' })
      if (!spec) return
      spec.selector = scene.selector
      Object.assign(spec.moduleLoader?.container ?? {}, { build })
    }),
  )
  const isBuilding = (pod: Pod): boolean => isBuildPod(pod, scene) && pod.status?.phase === 'Running'
  await scene.until('a build', () => cluster.view.pods.list().some(isBuilding))
  await cluster.sandbox.client.delete(namespaces, { name: scene.name })
  await scene.untilGone()
  await scene.until('the other Module is gone, too', () => !cluster.module('made', scene.name))
  await scene.untilNoNamespace()
  await cluster.caughtUp()
  expect(unloads.size).toBe(1)
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
  const isTheirs = ({ metadata, spec }: Pod): boolean =>
    metadata?.namespace === operatorNamespace && spec?.nodeName === scene.name
  await scene.until('no pod of it', () => !cluster.view.pods.list().some(isTheirs))
})

it.concurrent('holds a deleted Module for a dead node, names it, and lets it go when the node is back', async () => {
  const scene = await openLoaded('end-silent')
  await takeAway(scene)
  await scene.delete()
  const isNamed = (): boolean =>
    scene.condition('Ready')?.message.startsWith(`being unloaded; waits for 1 node: ${scene.name} (`) ?? false
  await scene.until('the node is named', isNamed)
  expect(scene.condition('Ready')).toMatchObject({ status: 'False', reason: 'Deleting' })
  expect(scene.condition('Ready')?.message).toContain('NodeNotReady')
  expect(scene.pods.Unload.size).toBe(0)
  await scene.node.setReady(true)
  await scene.untilGone()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

it.concurrent('holds a deleted Module for a dead node only until that is deleted', async () => {
  const scene = await openLoaded('end-dead')
  await scene.node.setReady(false)
  await scene.delete()
  await scene.until('the node is named', () => scene.condition('Ready')?.message.includes(`${scene.name} (`))
  await scene.node.delete()
  await scene.untilGone()
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
})

it.concurrent('ends an unload whose Module loses its finalizer by hand', async () => {
  const scene = await openLoaded('end-stripped')
  const lift = scene.rule({ do: 'hang' })
  await scene.delete()
  await scene.until('the unload', () => scene.pods.Unload.size === 1)
  await scene.patchFinalizers([])
  await scene.untilGone()
  lift()
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
  await scene.untilUnlabelled()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

it('says on a Module in a dying namespace why its unload is refused, and goes on when it no longer is', async () => {
  const scene = await openLoaded('end-refused')
  const enforce = async (level: string | null): Promise<void> => {
    const body = { metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } } }
    await cluster.sandbox.client.patch(namespaces, { name: operatorNamespace }, { type: 'merge', body })
  }
  await enforce('baseline')
  await cluster.sandbox.client.delete(namespaces, { name: scene.name })
  await scene.untilFailed('WorkerPodRefused')
  // It is tried in the Module's own namespace until the operator hears that this one goes.
  const command = `kubectl label --overwrite ns "${operatorNamespace}"`
  await scene.until('the way out', () => scene.worker?.message?.includes(command))
  await scene.until('the words for it', () => scene.condition('Ready')?.message.includes('(WorkerPodRefused: '))
  await enforce(null)
  await scene.untilGone()
  await scene.untilNoNamespace()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

it('keeps what a vanished Module loaded until its entry is removed by hand', async () => {
  const scene = await openLoaded('end-vanished')
  const chronicle = new Chronicle(scene)
  await endOperator()
  await scene.patchFinalizers([])
  await scene.delete()
  await scene.untilGone()
  endOperator = await cluster.startOperator({ clock })
  await scene.until('the words for it', () => scene.worker?.reason === 'ModuleVanished')
  await scene.node.reboot()
  await scene.until('the next boot', () => chronicle.since('boot 2').includes('label'))
  await scene.until('the words for it again', () => scene.worker?.reason === 'ModuleVanished')
  expect(scene.pods.Unload.size).toBe(0)
  await cluster.sandbox.client.patch(
    nmcResource,
    { name: scene.name },
    { type: 'merge', body: { spec: { modules: [] } } },
  )
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
  await scene.untilUnlabelled()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  expect(scene.pods.Unload.size).toBe(1)
})
