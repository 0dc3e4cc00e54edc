import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Module } from '../../../src/api/module.ts'
import { namespaces, nodes } from '../../../src/kube/core-resources.ts'
import { exampleLayer } from '../../conformance/kernel/images.ts'
import type { TargetOperator } from '../../conformance/target.ts'
import { demoModule } from '../../scenario/cluster.ts'
import { moduleResource } from '../../scenario/view.ts'
import { KubeletCluster } from './kubelet-cluster.ts'
import type { KubeletNode } from './kubelet-node.ts'

let cluster: KubeletCluster
let node: KubeletNode
let operator: TargetOperator | undefined

const namespace = 'by-volume'
const repository = 'by-volume'
const key = { namespace, name: 'demo' }
const readyLabel = `kmm.node.kubernetes.io/${namespace}.demo.ready`

beforeAll(async () => {
  cluster = await KubeletCluster.start()
  node = await cluster.openNode({ name: 'n1' })
  operator = await cluster.startOperator({ config: 'worker: {imageSource: volume}' })
  const privileged = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  await cluster.client.create(namespaces, { metadata: { name: namespace, labels: privileged } })
})

afterAll(async () => {
  await operator?.stop()
  await cluster?.stop()
})

/** An emulated machine on a busy computer takes its time. */
const until = (what: string, holds: () => unknown): Promise<void> => cluster.until(what, holds, 240_000)

afterEach(async () => {
  cluster.registry.bringBack()
  if (cluster.view.modules.get(key) !== undefined) await remove()
})

const isLoaded = async (): Promise<boolean> => (await node.machine.runChecked(['lsmod'])).includes('kmm_demo ')

const labels = (): Record<string, string> => cluster.view.nodes.get({ name: 'n1' })?.metadata?.labels ?? {}

const worker = () => cluster.view.configs.get({ name: 'n1' })?.status?.workers?.[0]

const makeModule = (image: string): Module =>
  demoModule(image, (module) => {
    module.metadata = key
    module.spec = { ...module.spec, selector: { 'kubernetes.io/hostname': 'n1' } }
  })

async function push(tag: string, source: 'prebuilt' | 'prebuilt-v2'): Promise<{ image: string; digest: string }> {
  const layers = [await exampleLayer(source, node.machine.release)]
  return cluster.registry.push({ repository, tag, layers })
}

async function remove(): Promise<void> {
  await cluster.client.delete(moduleResource, key)
  await until('the Module is gone', () => cluster.view.modules.get(key) === undefined)
}

/** The names of the volumes of the worker pods that have run for an action. */
const volumesFor = (action: string): string[] =>
  [...cluster.podsRun.values()]
    .filter(({ metadata }) => metadata?.labels?.['kmm.node.kubernetes.io/worker-action'] === action)
    .flatMap(({ spec }) => spec?.volumes?.map(({ name }) => name) ?? [])

test('a module is loaded from an image that the kubelet mounts, and unloaded without it and the registry', async () => {
  const { image } = await push('1', 'prebuilt')
  await cluster.client.create(moduleResource, makeModule(image))
  await until('the ready label', () => labels()[readyLabel] === '')
  expect(await isLoaded()).toBe(true)
  expect(volumesFor('Load')).toContain('kmod-image')
  cluster.registry.takeDown()
  await remove()
  cluster.registry.bringBack()
  expect(await isLoaded()).toBe(false)
  expect(volumesFor('Unload')).toContain('cache')
  expect(volumesFor('Unload')).not.toContain('kmod-image')
})

test('what the kubelet cannot resolve is told as unreachable', async () => {
  await cluster.client.create(moduleResource, makeModule('registry.invalid/demo:1'))
  await until('the reason', () => worker()?.reason === 'RegistryUnreachable')
  expect(worker()?.message).toMatch(/the kubelet cannot mount the image registry\.invalid\/demo:1: see that the node/)
  await remove()
})

test('an image that is lost after the operator has seen it is told as not found, until it is back', async () => {
  const cordon = (unschedulable: boolean | null) =>
    cluster.client.patch(nodes, { name: 'n1' }, { type: 'merge', body: { spec: { unschedulable } } })
  await cordon(true)
  const isCordoned = () =>
    cluster.view.nodes.get({ name: 'n1' })?.spec?.taints?.some(({ key: name }) => /unsched/.test(name))
  await until('the taint', isCordoned)
  const { image, digest } = await push('2', 'prebuilt-v2')
  await cluster.client.create(moduleResource, makeModule(image))
  await until('the verified image', () => cluster.view.images.get(key)?.status?.images?.[0]?.digest === digest)
  expect(cluster.sandbox.registry.lose(repository, digest)).toBe(true)
  await cordon(null)
  await until('the reason', () => worker()?.reason === 'ImageNotFound')
  expect(worker()?.message).toContain('push the image')
  await push('2', 'prebuilt-v2')
  await until('the ready label', () => labels()[readyLabel] === '')
  await until('nothing is told of it', () => worker() === undefined)
  await remove()
})
