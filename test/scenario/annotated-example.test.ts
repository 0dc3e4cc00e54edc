import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Module } from '../../src/api/module.ts'
import { configMaps, secrets, serviceAccounts } from '../../src/kube/core-resources.ts'
import { makeLoopbackCertificate } from '../../src/kube/certificate.ts'
import type { ImageFile } from '../../src/oci/image-builder.ts'
import { buildModuleTreeFiles } from '../../src/sandbox/kernel/depmod.ts'
import { buildModuleFile } from '../../src/sandbox/kernel/module-file.ts'
import { writeBuildah } from '../stand-in/buildah.ts'
import { keys } from './builds.ts'
import { Cluster, workerLabel } from './cluster.ts'
import { toEntries } from './scene.ts'

let cluster: Cluster
let programs: string
beforeAll(async () => {
  const { key, certificate } = makeLoopbackCertificate(Date.now())
  programs = await mkdtemp(join(tmpdir(), 'kmm-example-'))
  const buildahProgram = await writeBuildah(programs)
  cluster = await Cluster.start({ nodes: [], registry: { tls: { key, cert: certificate } }, buildahProgram })
  const worker = { setFirmwareClassPath: '/var/lib/firmware' }
  await cluster.startOperator({ config: JSON.stringify({ worker, registry: { caBundle: certificate } }) })
})
afterAll(async () => {
  await cluster.stop()
  await rm(programs, { recursive: true, force: true })
})

/** The annotated example of the documentation, with this registry in place of its two. */
function readExample(): Module {
  const text = readFileSync('src/api/testdata/module-example.yaml', 'utf8')
  const { address } = cluster.sandbox.registry
  return parse(text.replaceAll(/some\.(?:other\.)?registry\//g, `${address}/`)) as Module
}

const literal = '6.0.15-300.fc37.x86_64'
const others = ['6.1.9-200.fc37.x86_64', '6.5.6-300.fc38.x86_64']

const exampleModules = [
  { name: 'my-kmod', srcversion: 'OURS', parameters: { param: 'int' }, firmware: ['my.bin'] },
  { name: 'my_dep_a', srcversion: 'A' },
  { name: 'my_dep_b', srcversion: 'B' },
]

/** An image's files, with the modules where the example's `filesToSign` looks for them. */
function exampleFiles(release: string): Record<string, ImageFile> {
  const folder = `opt/lib/modules/${release}`
  const tree = exampleModules.map(({ name }) => ({ path: `${name}.ko`, name, depends: [] }))
  const modules = exampleModules.map(
    (module) => [`${module.name}.ko`, buildModuleFile({ release, ...module })] as const,
  )
  const files = [...modules, ...Object.entries(buildModuleTreeFiles(tree))]
  return {
    ...Object.fromEntries(files.map(([name, data]) => [`${folder}/${name}`, { data }])),
    'firmware/my.bin': { data: 'firmware' },
  }
}

/** What the example names besides images: the recipe, a secret for the build, key and certificate. */
async function provideInputs(): Promise<void> {
  const { client, registry } = cluster.sandbox
  const dockerfile = `ARG KERNEL_FULL_VERSION\nFROM ${registry.address}/org/source:\${KERNEL_FULL_VERSION} AS source\nFROM scratch\nCOPY --from=source /opt /opt\nCOPY --from=source /firmware /firmware\n`
  const inNamespace = (name: string) => ({ metadata: { namespace: 'default', name } })
  const encode = (bytes: Buffer): string => bytes.toString('base64')
  await client.create(serviceAccounts, inNamespace('sa-device-plugin'))
  await client.create(configMaps, inNamespace('some-configmap'))
  await client.create(configMaps, { ...inNamespace('my-kmod-dockerfile'), data: { dockerfile } })
  await client.create(secrets, {
    ...inNamespace('some-kubernetes-secret'),
    data: { token: encode(Buffer.from('word')) },
  })
  await client.create(secrets, { ...inNamespace('key-secret'), data: { key: encode(keys.key) } })
  await client.create(secrets, { ...inNamespace('cert-secret'), data: { cert: encode(keys.cert) } })
}

it('takes the annotated example of the documentation, and loads it by the mapping of each kernel', async () => {
  const { registry } = cluster.sandbox
  await provideInputs()
  for (const kernel of [literal, ...others]) {
    await registry.push({
      // The mapping for all other kernels builds and signs what is not there.
      repository: kernel === literal ? 'org/my-kmod' : 'org/source',
      tag: kernel,
      layers: [{ entries: toEntries(exampleFiles(kernel)) }],
    })
    const node = await cluster.sandbox.addNode({ name: kernel.replaceAll('_', '-'), kernel, labels: workerLabel })
    for (const name of ['my-intree-kmod', 'my-other-intree-kmod']) node.kernel.insertInTree(name)
  }
  await cluster.createModule(readExample())
  const isLoaded = (): boolean => cluster.module('my-kmod', 'default')?.status?.moduleLoader?.availableNumber === 3
  await cluster.until('the example is loaded', isLoaded, 50_000)
  await cluster.caughtUp()
  const images = cluster.view.images.get({ namespace: 'default', name: 'my-kmod' })
  const imageOf = (kernel: string): string => `${registry.address}/org/my-kmod:${kernel}`
  expect(images?.spec?.images?.map(({ image, sign }) => [image, sign?.filesToSign])).toEqual([
    [imageOf(literal), undefined],
    // The second mapping asks for a form feed before "c37": no kernel has one.
    ...others.map((kernel) => [imageOf(kernel), [`/opt/lib/modules/${kernel}/my-kmod.ko`]]),
  ])
  expect(images?.status?.images?.map(({ phase }) => phase)).toEqual(['Exists', 'Ready', 'Ready'])
  for (const { kernel, root, name } of cluster.sandbox.nodes.filter((node) => node.name.includes('fc'))) {
    expect(cluster.nmc(name)?.spec?.modules?.[0]?.config.containerImage).toBe(imageOf(kernel.release))
    const inserted = kernel.history.filter(({ action }) => action === 'insert').map(({ module }) => module)
    expect(inserted.slice(-3)).toEqual(['my_dep_b', 'my_dep_a', 'my_kmod'])
    const removed = kernel.history.filter(({ action }) => action === 'remove').map(({ module }) => module)
    expect(removed).toEqual(['my_intree_kmod', 'my_other_intree_kmod'])
    const loaded = kernel.loadedModules().find((module) => module.name === 'my_kmod')
    expect(loaded?.parameters).toEqual({ param: '1' })
    expect(existsSync(join(root, 'var/lib/firmware/my.bin'))).toBe(true)
  }
  const isPluginReady = (): boolean => cluster.condition('Ready', 'my-kmod', 'default')?.status === 'True'
  await cluster.until('its device plugin', isPluginReady)
})
