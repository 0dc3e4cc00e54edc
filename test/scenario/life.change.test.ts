import type { Secret } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { workerConfigAnnotation } from '../../src/api/annotations.ts'
import type { ModuleConfig } from '../../src/api/node-modules-config.ts'
import { secrets, serviceAccounts } from '../../src/kube/core-resources.ts'
import { Chronicle } from './chronicle.ts'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { Scene, toEntries } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

interface Made {
  config: ModuleConfig
  serviceAccountName: string | undefined
  pullSecrets: string[]
}

/** What worker pods of a scene were made with, in the order in which they came: loads and unloads. */
function watchMade(scene: Scene): { Load: Made[]; Unload: Made[] } {
  const made: { Load: Made[]; Unload: Made[] } = { Load: [], Unload: [] }
  cluster.view.pods.onChange(({ before, after }) => {
    if (before || after?.metadata?.namespace !== scene.name) return
    const { annotations = {}, labels = {} } = after.metadata
    const action = labels['kmm.node.kubernetes.io/worker-action']
    if (action !== 'Load' && action !== 'Unload') return
    made[action].push({
      config: parse(annotations[workerConfigAnnotation] ?? '') as ModuleConfig,
      serviceAccountName: after.spec?.serviceAccountName,
      pullSecrets: (after.spec?.imagePullSecrets ?? []).map(({ name = '' }) => name),
    })
  })
  return made
}

async function openLoaded(name: string): Promise<Scene> {
  const scene = await Scene.open(cluster, name)
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  return scene
}

/** What each of these changes is in the kernel, and so is reached by an unload of what was and a load of what is to be. */
const changesOfTheKernel: [string, object, Partial<ModuleConfig>][] = [
  ['parameters', { modprobe: { parameters: ['count=2'] } }, { modprobe: { parameters: ['count=2'] } }],
  ['arguments', { modprobe: { args: { load: ['-v'] } } }, { modprobe: { args: { load: ['-v'] } } }],
  ['in-tree list', { inTreeModulesToRemove: ['dummy'] }, { inTreeModulesToRemove: ['dummy'] }],
  ['module', { modprobe: { moduleName: 'kmm_demo_dep' } }, { modprobe: { moduleName: 'kmm_demo_dep' } }],
]

it.concurrent('unloads what was and loads what is to be, for what changes the module in the kernel', async () => {
  const scene = await Scene.open(cluster, 'change-kernel')
  const made = watchMade(scene)
  const chronicle = new Chronicle(scene)
  // It is not the kernel that is looked at here, but what workers are told.
  scene.rule({ do: 'report' })
  await scene.create(await scene.push('1'))
  await scene.until('the label', () => scene.isReady)
  for (const [index, [what, container, expected]] of changesOfTheKernel.entries()) {
    await scene.patchContainer(container)
    await scene.until(`the load for ${what}`, () => made.Load.length === index + 2)
    await scene.until(`the label for ${what}`, () => chronicle.since('load').includes('label'))
    expect(made.Unload, what).toHaveLength(index + 1)
    expect(made.Unload.at(-1)?.config, what).toEqual(made.Load.at(-2)?.config)
    expect(made.Load.at(-1)?.config, what).toMatchObject(expected)
  }
})

const pullSecret = ({ registry }: Cluster['sandbox']): Secret => {
  const auths = { [registry.address]: { auth: Buffer.from('user:word').toString('base64') } }
  return {
    type: 'kubernetes.io/dockerconfigjson',
    data: { '.dockerconfigjson': Buffer.from(JSON.stringify({ auths })).toString('base64') },
  }
}

/** Changes that are not about the kernel, each with what the node's NodeModulesConfig says of it. */
const changesOfTheWay: [string, object, (item: Record<string, unknown>, config: ModuleConfig) => boolean][] = [
  [
    'pull policy',
    { moduleLoader: { container: { imagePullPolicy: 'Always' } } },
    (_item, config) => config.imagePullPolicy === 'Always',
  ],
  [
    'TLS',
    { moduleLoader: { container: { registryTLS: { insecure: true, insecureSkipTLSVerify: true } } } },
    (_item, config) => config.registryTLS?.insecureSkipTLSVerify === true,
  ],
  [
    'tolerations',
    { tolerations: [{ key: 'example.com/t', operator: 'Exists' }] },
    ({ tolerations }) => JSON.stringify(tolerations).includes('example.com/t'),
  ],
  [
    'pull secret',
    { imageRepoSecret: { name: 'other' } },
    ({ imageRepoSecret }) => JSON.stringify(imageRepoSecret) === '{"name":"other"}',
  ],
  [
    'service account',
    { moduleLoader: { serviceAccountName: 'loader' } },
    ({ serviceAccountName }) => serviceAccountName === 'loader',
  ],
]

it.concurrent('has no worker run for what changes nothing in the kernel, and the next one use it', async () => {
  const scene = await Scene.open(cluster, 'change-way')
  const made = watchMade(scene)
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const { client } = cluster.sandbox
  await client.create(serviceAccounts, { metadata: { namespace: scene.name, name: 'loader' } })
  await client.create(secrets, { metadata: { namespace: scene.name, name: 'other' }, ...pullSecret(cluster.sandbox) })
  const chronicle = new Chronicle(scene)
  for (const [what, change, holds] of changesOfTheWay) {
    await scene.patch(change)
    const isTaken = (item: object | undefined): boolean => {
      const record = { ...item } as Record<string, unknown>
      return record['config'] !== undefined && holds(record, record['config'] as ModuleConfig)
    }
    await scene.until(`${what} in the plan`, () => isTaken(cluster.nmc(scene.name)?.spec?.modules?.[0]))
    await scene.until(`${what} in the status`, () => isTaken(cluster.nmc(scene.name)?.status?.modules?.[0]))
  }
  const { digest } = await scene.pushImage('1', [{ name: 'opt/other', content: Buffer.from('other') }])
  await scene.patch({ imageRebuildTriggerGeneration: 1 })
  const planned = (): string | undefined => cluster.nmc(scene.name)?.spec?.modules?.[0]?.config.imageDigest
  await scene.until('the digest in the plan', () => planned() === digest)
  expect(cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.imageDigest).not.toBe(digest)
  await cluster.quiet(400, ({ namespace, name }) => namespace === scene.name || name === scene.name)
  expect([made.Load.length, made.Unload.length]).toEqual([1, 0])
  expect(chronicle.entries.filter((entry) => entry.includes('label'))).toEqual(['label'])
  await scene.delete()
  await scene.untilGone()
  expect(made.Unload).toMatchObject([
    {
      config: { imagePullPolicy: 'Always', registryTLS: { insecure: true, insecureSkipTLSVerify: true } },
      serviceAccountName: 'loader',
      pullSecrets: ['other'],
    },
  ])
  expect(made.Load).toHaveLength(1)
})

it.concurrent('loads the digest of a moved tag at the next boot', async () => {
  const scene = await Scene.open(cluster, 'change-digest')
  const made = watchMade(scene)
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  const files = toEntries(await exampleFiles(kernel56))
  const { digest } = await scene.pushImage('1', [...files, { name: 'opt/more', content: Buffer.from('more') }])
  await scene.patch({ imageRebuildTriggerGeneration: 1 })
  const isPlanned = (): boolean => cluster.nmc(scene.name)?.spec?.modules?.[0]?.config.imageDigest === digest
  await scene.until('the digest in the plan', isPlanned)
  await scene.node.reboot()
  await scene.until('the load', () => made.Load.length === 2)
  await scene.untilReady()
  expect(made.Load.map(({ config }) => config.imageDigest === digest)).toEqual([false, true])
  expect(made.Unload).toHaveLength(0)
})

it.concurrent('unloads what has no moduleLoader any more, and loads it when it has one again', async () => {
  const scene = await openLoaded('change-loader')
  const loader = scene.module?.spec?.moduleLoader
  await scene.patch({ moduleLoader: null })
  await scene.until('no config', () => cluster.nmc(scene.name) === undefined)
  await scene.untilUnlabelled()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
  await scene.patch({ moduleLoader: loader })
  await scene.untilReady()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(true)
})

it.concurrent('follows a change while a worker hangs on an image that cannot be pulled', async () => {
  const scene = await Scene.open(cluster, 'change-hanging')
  const made = watchMade(scene)
  const lift = scene.rule({ do: 'imagePullError' })
  await scene.create(await scene.push('1'))
  await scene.untilFailed('WorkerImageUnavailable')
  await scene.patchContainer({ modprobe: { parameters: ['count=2'] } })
  await scene.until('the next pod', () => made.Load.length === 2)
  expect(made.Load[1]?.config.modprobe.parameters).toEqual(['count=2'])
  lift()
  await scene.untilReady()
  expect(made.Unload).toEqual([])
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

it.concurrent('follows a change while an unload waits for a busy module, also back to what is loaded', async () => {
  const scene = await openLoaded('change-busy')
  scene.kernel.setInUse('kmm_demo', 1)
  await scene.useImage(await scene.push('2'))
  await scene.untilFailed('ModuleInUse')
  await scene.useImage(scene.image('1'))
  await scene.untilReady()
  expect([scene.kernel.insertions('kmm_demo'), scene.kernel.removals('kmm_demo')]).toEqual([1, 0])
  await scene.useImage(await scene.push('3'))
  await scene.untilFailed('ModuleInUse')
  scene.kernel.setInUse('kmm_demo', 0)
  await scene.untilReady()
  expect(cluster.nmc(scene.name)?.status?.modules?.[0]?.config?.containerImage).toBe(scene.image('3'))
  expect([scene.kernel.insertions('kmm_demo'), scene.kernel.removals('kmm_demo')]).toEqual([2, 1])
})
