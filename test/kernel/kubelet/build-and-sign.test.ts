import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Module } from '../../../src/api/module.ts'
import { type OperatorProcess, startOperatorProcess } from '../../../src/cli/demo/operator-process.ts'
import { configMaps, namespaces, secrets } from '../../../src/kube/core-resources.ts'
import type { KubeObject } from '../../../src/kube/object.ts'
import { buildImage } from '../../../src/oci/image-builder.ts'
import { trustOnly } from '../../../src/sandbox/qemu/secure-boot/firmware.ts'
import { moduleResource } from '../../scenario/view.ts'
import { testMachines } from '../machines.ts'
import { provideBuilderBase, provideBuilderImage, provideCompilerImage } from './builder-images.ts'
import { pauseImage } from './images.ts'
import { KubeletCluster } from './kubelet-cluster.ts'
import type { KubeletNode } from './kubelet-node.ts'

const release = '6.1.0-56-amd64'
const namespace = 'kmm-ci'
const signing = 'src/kmod/testdata/signing'
const examples = 'examples/kmod'
const modules = ['kmm_demo_dev', 'kmm_demo_dep']
const key = { namespace, name: 'kmm-ci' }
const unsignedKey = { namespace, name: 'kmm-ci-unsigned' }
const readyLabel = 'kmm.node.kubernetes.io/kmm-ci.kmm-ci.ready'
const targetLabel = 'kmm.node.kubernetes.io/kmm-ci.kmm-ci.device-plugin-target'

let cluster: KubeletCluster
let node: KubeletNode
let operator: OperatorProcess | undefined

/** The images of a user who has sources: what compiles, and what is compiled. */
async function pushBases(): Promise<{ name: string; value: string }[]> {
  const names = ['kmm_demo_dev.c', 'kmm_demo_dep.c', 'kmm_demo_dep.h']
  const files = await Promise.all(names.map(async (name) => [name, { data: await readFile(join(examples, name)) }]))
  const sources = await buildImage({ files: Object.fromEntries(files) })
  const tools = await provideCompilerImage(release, testMachines())
  return [
    { name: 'SOURCES', value: await cluster.pushBuilt('kmm-ci-sources:1', sources) },
    { name: 'TOOLS', value: await cluster.pushBuilt(`kmm-ci-tools:${release}`, tools) },
    { name: 'MODULES', value: modules.map((name) => `${name}.o`).join(' ') },
  ]
}

async function createInputs(): Promise<void> {
  const privileged = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  const { client } = cluster
  await client.create(namespaces, { metadata: { name: namespace, labels: privileged } })
  const dockerfile = await readFile('test/kernel/kubelet/kmm-ci.Dockerfile', 'utf8')
  await client.create(configMaps, { metadata: { namespace, name: 'kmm-kmod-dockerfile' }, data: { dockerfile } })
  const texts = {
    'build-secret': { 'ci-build-secret': 'super-secret-string' },
    'kmm-kmod-signing-key': { key: await readFile(`${signing}/rsa.key`, 'utf8') },
    'kmm-kmod-signing-cert': { cert: await readFile(`${signing}/rsa.pem`, 'utf8') },
  }
  for (const [name, stringData] of Object.entries(texts))
    await client.create(secrets, { metadata: { namespace, name }, stringData })
}

beforeAll(async () => {
  const base = await provideBuilderBase(testMachines())
  const builder = await provideBuilderImage(testMachines())
  cluster = await KubeletCluster.start()
  const builderImage = await cluster.pushBuilt('kmm-builder:test', builder)
  const firmware = trustOnly(readFileSync(`${signing}/rsa.pem`, 'utf8'))
  node = await cluster.openNode({ name: 'n1', images: [base], firmware })
  await createInputs()
  operator = startOperatorProcess({
    program: 'dist/kmm.js',
    kubeconfigPath: cluster.sandbox.kubeconfigPath,
    workerImage: cluster.workerImage,
    builderImage,
    namespace: 'kmm-operator-system',
    logPath: join(cluster.sandbox.folder, 'operator.log'),
  })
  operator.ended.catch(() => undefined)
})

afterAll(async () => {
  await operator?.stop()
  await cluster?.stop()
})

const lsmod = async (): Promise<string[]> => {
  const printed = await node.machine.runChecked(['lsmod'])
  return printed.split('\n').map((line) => line.split(' ')[0] ?? '')
}

const labels = (): Record<string, string> => cluster.view.nodes.get({ name: 'n1' })?.metadata?.labels ?? {}

const isPlugin = ({ metadata }: Pod): boolean => metadata?.labels?.['kmm.node.kubernetes.io/role'] === 'device-plugin'

const listPlugins = (): Pod[] => cluster.view.pods.list().filter(isPlugin)

const isPodReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false

const isJob = ({ metadata }: Pod): boolean => metadata?.labels?.['kmm.node.kubernetes.io/resource-type'] !== undefined

/** What is process 1 of its container ends at SIGTERM only if it says so itself. */
const sleepUntilTold = ['/bin/busybox', 'sh', '-c', 'trap "exit 0" TERM; /bin/busybox sleep inf & wait']

const makeModule = (name: string, image: string): Module & { spec: object } => ({
  apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
  kind: 'Module',
  metadata: { namespace, name },
  spec: {
    selector: { 'kubernetes.io/hostname': 'n1' },
    moduleLoader: {
      container: {
        modprobe: { moduleName: 'kmm_demo_dev', modulesLoadingOrder: modules },
        inTreeModulesToRemove: ['dummy'],
        registryTLS: { insecure: true },
        kernelMappings: [{ regexp: '^.+$', containerImage: image }],
      },
    },
  },
})

/** As upstream's own continuous integration asks for it: build, sign by a glob, two modules in an order, one in-tree away. */
function makeCiModule(buildArgs: { name: string; value: string }[]): Module {
  const module = makeModule(key.name, `${cluster.registry.address}/kmm-ci:\${KERNEL_FULL_VERSION}`)
  const container = module.spec?.moduleLoader?.container
  Object.assign(container ?? {}, {
    build: {
      dockerfileConfigMap: { name: 'kmm-kmod-dockerfile' },
      buildArgs,
      secrets: [{ name: 'build-secret' }],
      baseImageRegistryTLS: { insecure: true },
    },
    sign: {
      keySecret: { name: 'kmm-kmod-signing-key' },
      certSecret: { name: 'kmm-kmod-signing-cert' },
      filesToSign: ['/opt/lib/modules/${KERNEL_FULL_VERSION}/kmm_demo_de?.ko'],
    },
  })
  return {
    ...module,
    spec: { ...module.spec, devicePlugin: { container: { image: pauseImage, command: sleepUntilTold } } },
  }
}

const listEvents = (): string[] =>
  cluster.view.events
    .list()
    .flatMap(({ involvedObject, reason = '' }) =>
      involvedObject.kind === 'Module' && involvedObject.name === key.name ? [reason] : [],
    )

const imageOf = () => cluster.view.images.get(key)?.status?.images?.[0]

/** Upstream gives it ten minutes on real processors; an emulated one compiles and pulls several times slower. */
const patienceMs = 1_500_000
/** So that it is that wait which ends on a busy computer, with words, and not the test. */
const scenarioMs = 1_800_000

const untilLoaded = (): Promise<void> =>
  cluster.until(
    'both modules in the kernel',
    async () => {
      const now = await lsmod()
      return modules.every((name) => now.includes(name))
    },
    patienceMs,
  )

/** Deletes a Module; answers how many device plugins were ready when its modules had gone. */
async function remove(module: typeof key): Promise<number> {
  await cluster.client.delete(moduleResource, module)
  let plugins = -1
  await cluster.until('both modules out of the kernel', async () => {
    const now = await lsmod()
    if (modules.some((name) => now.includes(name))) return false
    plugins = listPlugins().filter(isPodReady).length
    return true
  })
  await cluster.until('the Module is gone', () => cluster.view.modules.get(module) === undefined)
  return plugins
}

describe('a node under Secure Boot that trusts one key', () => {
  it(
    "passes upstream's first scenario: the image is built and signed, its modules come in place of the in-tree one, then the device plugin; all go with the Module",
    async () => {
      await node.modprobe(['dummy'])
      const before = await lsmod()
      expect(before).toContain('dummy')
      for (const name of modules) expect(before).not.toContain(name)

      // In the order in which the API server stored it: one watch may lag behind the other.
      const seen: { what: string; revision: number }[] = []
      const note = (what: string, { metadata }: KubeObject): void =>
        void seen.push({ what, revision: Number(metadata?.resourceVersion) })
      cluster.view.nodes.onChange(({ after }) => {
        if (after?.metadata?.labels?.[readyLabel] === '') note('label', after)
      })
      cluster.view.pods.onChange(({ after }) => {
        if (after && isPlugin(after)) note('plugin', after)
      })
      await cluster.client.create(moduleResource, makeCiModule(await pushBases()))
      await untilLoaded()
      expect(await lsmod()).not.toContain('dummy')
      // Out of tree, and not unsigned.
      for (const { taint } of await node.loadedModules(modules)) expect(taint).toBe('O')
      await cluster.until('the ready label', () => labels()[readyLabel] === '')
      await cluster.until('the device plugin', () => listPlugins().some(isPodReady) && labels()[targetLabel] === '')
      const order = seen.toSorted((one, other) => one.revision - other.revision).map(({ what }) => what)
      expect([...new Set(order)]).toEqual(['label', 'plugin'])
      const status = () => cluster.view.modules.get(key)?.status
      await cluster.until('the counts', () => status()?.devicePlugin?.availableNumber === 1)
      expect(status()).toMatchObject({ moduleLoader: { desiredNumber: 1, availableNumber: 1 } })

      expect(imageOf()).toMatchObject({ phase: 'Ready', signedBy: expect.stringMatching(/^[0-9a-f]{64}$/) })
      const made = ['BuildCreated', 'BuildSucceeded', 'SignCreated', 'SignSucceeded']
      await cluster.until('the events', () => made.every((reason) => listEvents().includes(reason)))
      await cluster.until('no pod that built or signed is left', () => !cluster.view.pods.list().some(isJob))
      expect(
        listEvents()
          .filter((reason) => /^(Build|Sign)/.test(reason))
          .toSorted(),
      ).toEqual(made)

      expect(await remove(key)).toBe(0)
      await cluster.until('the labels are gone', () => !(readyLabel in labels()) && !(targetLabel in labels()))
      await cluster.until('no pod is left', () =>
        cluster.view.pods.list().every((pod) => pod.metadata?.namespace !== namespace),
      )
    },
    scenarioMs,
  )

  it('refuses the same modules as they were before they were signed, and the Module says so', async () => {
    const { address } = cluster.registry
    const listed = await fetch(`http://${address}/v2/kmm-ci/tags/list`)
    const { tags } = (await listed.json()) as { tags: string[] }
    const unsigned = tags.find((tag) => tag.startsWith(`${release}-kmm-unsigned-`)) ?? ''
    expect(tags.toSorted()).toEqual([release, unsigned].toSorted())

    await cluster.client.create(moduleResource, makeModule(unsignedKey.name, `${address}/kmm-ci:${unsigned}`))
    const ready = () => cluster.view.modules.get(unsignedKey)?.status?.conditions?.find(({ type }) => type === 'Ready')
    await cluster.until('the reason on the Module', () => ready()?.reason === 'SignatureRejected')
    expect(ready()?.message).toContain('sign the module with a key that the node trusts')
    expect((await node.dmesg()).filter((line) => line.includes('unsigned module is rejected'))).not.toEqual([])
    for (const name of modules) expect(await lsmod()).not.toContain(name)
    await remove(unsignedKey)
  })
})
