import type { Pod } from 'kubernetes-types/core/v1.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { roleLabel } from '../../src/api/labels.ts'
import { pods } from '../../src/kube/core-resources.ts'
import { Cluster } from './cluster.ts'
import { LateNews } from './late-news.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
const late = new LateNews()
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator({ wrap: late.wrap })
})
afterAll(async () => {
  late.arrive()
  await cluster.stop()
})

const isPlugin = ({ metadata }: Pick<Pod, 'metadata'>): boolean => metadata?.labels?.[roleLabel] === 'device-plugin'
const hold = 'scene.example/hold'

it('does not unload under a device plugin that it has not heard of', async () => {
  const scene = await Scene.open(cluster, 'late')
  const { client } = cluster.sandbox
  late.keepBack((plural, object) => plural === 'pods' && isPlugin(object))
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  // Else its end could be among the news that are late.
  await scene.until('the worker pod is gone', () => scene.pod === undefined)
  await scene.patch({ devicePlugin: { container: { image: 'registry.example/plugin:1' } } })
  const find = (): Pod | undefined =>
    cluster.view.pods.list().find((pod) => pod.metadata?.namespace === scene.name && isPlugin(pod))
  await scene.until('the plugin runs', () => find()?.status?.phase === 'Running')
  const key = { namespace: scene.name, name: find()?.metadata?.name ?? '' }
  await client.patch(pods, key, { type: 'merge', body: { metadata: { finalizers: [hold] } } })
  await scene.delete()
  expect(await scene.untilFailed('DevicePluginStillRunning', 0)).toContain(key.name)
  expect([scene.pods.Unload.size, scene.kernel.isLoaded('kmm_demo')]).toEqual([0, true])
  await client.patch(pods, key, { type: 'merge', body: { metadata: { finalizers: [] } } })
  await scene.until('the plugin is gone', () => find() === undefined)
  expect(scene.pods.Unload.size).toBe(0)
  late.arrive()
  await scene.untilGone()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})
