import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import type { Module } from '../../src/api/module.ts'
import { configMaps, serviceAccounts } from '../../src/kube/core-resources.ts'
import { makeLoopbackCertificate } from '../../src/kube/certificate.ts'
import { Cluster, workerLabel } from './cluster.ts'
import { madeUpFiles, toEntries } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  const { key, certificate } = makeLoopbackCertificate(Date.now())
  cluster = await Cluster.start({ nodes: [], registry: { tls: { key, cert: certificate } } })
  const worker = { setFirmwareClassPath: '/var/lib/firmware' }
  await cluster.startOperator({ config: JSON.stringify({ worker, registry: { caBundle: certificate } }) })
})
afterAll(() => cluster.stop())

/** The annotated example of the documentation, with this registry in place of its two. */
function readExample(): Module {
  const text = readFileSync('src/api/testdata/module-example.yaml', 'utf8')
  const { address } = cluster.sandbox.registry
  return parse(text.replaceAll(/some\.(?:other\.)?registry\//g, `${address}/`)) as Module
}

const literal = '6.0.15-300.fc37.x86_64'
const others = ['6.1.9-200.fc37.x86_64', '6.5.6-300.fc38.x86_64']

const exampleFiles = (release: string) => ({
  ...madeUpFiles(
    release,
    { name: 'my-kmod', srcversion: 'OURS', parameters: { param: 'int' }, firmware: ['my.bin'] },
    { name: 'my_dep_a', srcversion: 'A' },
    { name: 'my_dep_b', srcversion: 'B' },
  ),
  'firmware/my.bin': { data: 'firmware' },
})

it('takes the annotated example of the documentation, and loads it by the mapping of each kernel', async () => {
  const { client, registry } = cluster.sandbox
  await client.create(serviceAccounts, { metadata: { namespace: 'default', name: 'sa-device-plugin' } })
  await client.create(configMaps, { metadata: { namespace: 'default', name: 'some-configmap' } })
  for (const kernel of [literal, ...others]) {
    await registry.push({
      repository: 'org/my-kmod',
      tag: kernel,
      layers: [{ entries: toEntries(exampleFiles(kernel)) }],
    })
    const node = await cluster.sandbox.addNode({ name: kernel.replaceAll('_', '-'), kernel, labels: workerLabel })
    for (const name of ['my-intree-kmod', 'my-other-intree-kmod']) node.kernel.insertInTree(name)
  }
  await cluster.createModule(readExample())
  const isLoaded = (): boolean => cluster.module('my-kmod', 'default')?.status?.moduleLoader?.availableNumber === 3
  await cluster.until('the example is loaded', isLoaded)
  const images = cluster.view.images.get({ namespace: 'default', name: 'my-kmod' })
  const imageOf = (kernel: string): string => `${registry.address}/org/my-kmod:${kernel}`
  expect(images?.spec?.images?.map(({ image, sign }) => [image, sign?.filesToSign])).toEqual([
    [imageOf(literal), undefined],
    // The second mapping asks for a form feed before "c37": no kernel has one.
    ...others.map((kernel) => [imageOf(kernel), [`/opt/lib/modules/${kernel}/my-kmod.ko`]]),
  ])
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
