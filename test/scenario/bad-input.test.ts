import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { namespaces, pods } from '../../src/kube/core-resources.ts'
import { Cluster, demoModule } from './cluster.ts'
import { LeapClock } from './leap-clock.ts'
import { makeLoadReport, Scene, type SceneOptions } from './scene.ts'

let cluster: Cluster
const clock = new LeapClock()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator({ clock })
})
afterAll(() => cluster.stop())

const open = (name: string, options?: SceneOptions): Promise<Scene> => Scene.open(cluster, name, options)

it.concurrent.each([
  ['moduleLoader.container.modprobe', { modprobe: null }],
  ['moduleLoader.container.kernelMappings', { kernelMappings: 'all' }],
  ['moduleLoader.container.kernelMappings[0].regexp', { kernelMappings: [{ regexp: 1 }] }],
  ['moduleLoader.container.modprobe.moduleName', { modprobe: { moduleName: 7 } }],
])('names the field %s where a Module is invalid', async (path, change) => {
  const module = demoModule('registry.example/kmod:1', ({ metadata, spec }) => {
    metadata.namespace = 'default'
    Object.assign(spec?.moduleLoader?.container ?? {}, change)
  })
  await expect(cluster.createModule(module)).rejects.toThrow(`spec.${path}`)
})

it.concurrent('takes a new image while the pull of the old one hangs', async () => {
  const scene = await open('hung-pull')
  const { registry } = cluster.sandbox
  const first = await scene.pushImage('1', [{ name: 'opt/hangs', content: 'hangs' }])
  const digest = first.layers[0]?.digest ?? ''
  const lift = registry.fail({ kind: 'blob', reference: digest, action: { do: 'hang', afterBytes: 10 } })
  await scene.create(first.image)
  await registry.waitForRequest(({ reference }) => reference === digest)
  await scene.until('the worker runs', () => scene.pod?.status?.phase === 'Running')
  await scene.useImage(await scene.push('2'))
  await scene.untilReady()
  lift()
  const isLoaded = (): boolean =>
    cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.containerImage === scene.image('2')
  await scene.until('the new image', isLoaded)
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('takes a new image while the pod of the old one does not start', async () => {
  const scene = await open('hung-pod')
  const lift = scene.rule({ do: 'hang' })
  await scene.create(await scene.push('1'))
  await scene.until('the pod', () => scene.pod)
  const before = scene.pod?.metadata?.uid
  await scene.useImage(await scene.push('2'))
  await scene.until('another pod', () => scene.pod && scene.pod.metadata?.uid !== before)
  lift()
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('deletes a Module while its pull hangs, and leaves nothing', async () => {
  const scene = await open('hung-delete')
  const { image, layers } = await scene.pushImage('1', [{ name: 'opt/hangs', content: 'hangs too' }])
  const fault = { kind: 'blob' as const, reference: layers[0]?.digest ?? '', action: { do: 'hang' as const } }
  cluster.sandbox.registry.fail(fault)
  await scene.create(image)
  await scene.until('the worker runs', () => scene.pod?.status?.phase === 'Running')
  await scene.delete()
  await scene.untilGone()
  await scene.until('no config and no pod', () => cluster.nmc(scene.name) === undefined && scene.pod === undefined)
  expect(scene.kernel.history).toEqual([])
})

it.concurrent('goes back to the old image when the module cannot be unloaded for the new one', async () => {
  const scene = await open('back')
  const image = await scene.push('1')
  await scene.create(image)
  await scene.untilReady()
  scene.kernel.setInUse('kmm_demo', 'eth0')
  await scene.useImage(await scene.push('2'))
  expect(await scene.untilFailed('ModuleInUse')).toContain('in use by eth0')
  await scene.untilUnlabelled()
  await scene.useImage(image)
  await scene.untilReady()
  expect([scene.kernel.insertions('kmm_demo'), scene.kernel.removals('kmm_demo')]).toEqual([1, 0])
})

it.concurrent('unloads once it is free what was in use when the Module was changed and then deleted', async () => {
  const scene = await open('changed-deleted')
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  scene.kernel.setInUse('kmm_demo', 1)
  await scene.useImage(await scene.push('2'))
  await scene.untilFailed('ModuleInUse')
  await scene.delete()
  await scene.until('it is told', () => scene.condition('Ready')?.reason === 'Deleting')
  scene.kernel.setInUse('kmm_demo', 0)
  await scene.untilGone()
  expect([scene.kernel.insertions('kmm_demo'), scene.kernel.removals('kmm_demo')]).toEqual([1, 1])
})

interface Forgery {
  namespace: string
  name: string
  nodeName?: string
  annotations?: Record<string, string>
}

/** The operator's pod as somebody else could make it: with labels and annotations of the real one, and a program of theirs. */
function forge({ metadata, spec }: Pod, { namespace, name, nodeName, annotations }: Forgery): Pod {
  const node = nodeName ?? spec?.nodeName ?? ''
  return {
    metadata: {
      namespace,
      name,
      labels: { ...metadata?.labels },
      annotations: { ...metadata?.annotations, ...annotations },
    },
    spec: { ...spec, nodeName: node, containers: [forger], volumes: [] },
  }
}

const forger = { name: 'worker', image: 'registry.example/forger:1' }

it.concurrent('believes no worker pod but its own, whatever is copied from it', async () => {
  const scene = await open('forged')
  const foreign = await open('forged-foreign')
  const behaviour = { do: 'succeed' as const, message: makeLoadReport(scene) }
  cluster.sandbox.rules.add({ match: { image: 'forger' }, behaviour })
  const lift = scene.rule({ do: 'hang' }, `^${scene.podName}$`)
  await scene.create(await scene.push('1'))
  await scene.until('the pod', () => scene.pod)
  const real = scene.pod ?? {}
  const configKey = 'kmm.node.kubernetes.io/worker-config'
  const otherConfig = real.metadata?.annotations?.[configKey]?.replace(scene.repository, 'other') ?? ''
  const upstream = { [configKey]: otherConfig, 'kmm.node.kubernetes.io/worker-hash': '1234567890' }
  const forgeries = [
    forge(real, { namespace: foreign.name, name: scene.podName }),
    forge(real, { namespace: scene.name, name: 'other-node', nodeName: foreign.name }),
    forge(real, { namespace: scene.name, name: 'other-config', annotations: { [configKey]: otherConfig } }),
    forge(real, { namespace: scene.name, name: 'upstream', annotations: upstream }),
  ]
  for (const pod of forgeries) await cluster.sandbox.client.create(pods, pod)
  const hasEnded = ({ metadata, status }: Pod): boolean =>
    [foreign.name, scene.name].includes(metadata?.namespace ?? '') && status?.phase === 'Succeeded'
  await scene.until('the forgeries', () => cluster.view.pods.list().filter(hasEnded).length === 4)
  // What is written of another Module on the node was decided with the forgeries in sight.
  await scene.create(scene.image('1'), ({ metadata, spec }) => {
    metadata.name = 'witness'
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { moduleName: 'kmm_demo_dep' })
  })
  await scene.until('the other Module', () => cluster.isReady(scene.name, 'witness', scene.name))
  const loaded = (): string[] => cluster.nmc(scene.name)?.status?.modules?.map(({ name }) => name) ?? []
  await scene.until('its entry', () => loaded().includes('witness'))
  expect(loaded()).toEqual(['witness'])
  expect([scene.isReady, cluster.nmc(foreign.name)]).toEqual([false, undefined])
  lift()
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('shows a report that is garbage as it is, and takes the next', async () => {
  const scene = await open('garbage')
  const lift = scene.rule({ do: 'crash', message: '{"v":1,"reason":"Loaded" \u0000' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('Unknown')).toContain('{"v":1,"reason":"Loaded"')
  lift()
  await scene.untilReady()
})

it.concurrent('does not believe a success without a report, and makes another pod after a while', async () => {
  const scene = await open('no-report')
  const lift = scene.rule({ do: 'succeed', message: 'all is well' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('Unknown')).toContain('all is well')
  expect(scene.isReady).toBe(false)
  lift()
  await clock.pass(30_000, scene.untilReady())
})

/** Ends the worker process of a scene's node as the kernel does when memory is short. */
function killWorker({ node }: Scene): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const words = readCommand(pid).split('\0')
    if (words.some((word) => word.endsWith('worker-sandbox.js')) && words.some((word) => word.startsWith(node.root)))
      process.kill(Number(pid), 'SIGKILL')
  }
}

function readCommand(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

it.runIf(process.platform === 'linux').concurrent(
  'tells of a worker that was killed, and starts it again',
  async () => {
    const scene = await open('killed')
    // Longer than anybody needs to notice that it has begun.
    scene.kernel.setBehaviour('kmm_demo', { initMs: 60_000 })
    await scene.create(await scene.push('1'))
    await scene.until('the pod', () => scene.pod)
    const log = join(scene.node.root, 'pods', scene.pod?.metadata?.uid ?? '', 'rootfs/dev/termination-log')
    await scene.until('the worker has begun', () => existsSync(log) && readFileSync(log, 'utf8').includes('"Unknown"'))
    killWorker(scene)
    scene.kernel.setBehaviour('kmm_demo', {})
    await scene.until('the reason', () => scene.seen.node.has('Unknown'))
    await scene.until('the report', () => scene.seen.report.has('Unknown'))
    await scene.untilReady()
  },
)

it.concurrent('keeps two Modules of one name in two namespaces apart', async () => {
  const [left, right] = [await open('twin-left'), await open('twin-right')]
  await left.create(await left.push('1'))
  // Both on the left node, each with a module of its own.
  await right.create(await right.push('1'), ({ spec }) => {
    if (spec) spec.selector = left.selector
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, {
      moduleName: 'kmm_demo_fw',
      parameters: ['optional=1'],
    })
  })
  const isRightReady = (): boolean => cluster.isReady(left.name, 'demo', right.name)
  await left.untilReady()
  await left.until('the other one', isRightReady)
  await left.delete()
  await left.untilGone()
  expect(left.kernel.loadedModules().map(({ name }) => name)).toEqual(['kmm_demo_fw'])
  await left.untilUnlabelled()
  expect(isRightReady()).toBe(true)
})

it.concurrent('unloads from its own namespace when the namespace of the Module is deleted', async () => {
  const scene = await open('doomed')
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  await scene.untilReady()
  await cluster.sandbox.client.delete(namespaces, { name: scene.name })
  await scene.untilGone()
  expect(scene.kernel.loadedModules()).toEqual([])
  await scene.untilNoNamespace()
})
