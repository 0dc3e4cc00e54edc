import { afterAll, beforeAll, expect, it } from 'vitest'
import { Cluster } from './cluster.ts'
import {
  containerImage,
  createPreflight,
  findEntry,
  kernel55,
  listConfigs,
  pushFor,
  untilVerified,
} from './preflights.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
})
afterAll(() => cluster.stop())

/** The operator's writes since `from` of a kind of object. */
const listWrites = (resource: string, from = 0) =>
  cluster.sandbox.writes
    .slice(from)
    .filter((write) => write.userAgent.startsWith('kmm-operator') && write.resource === resource)

it('writes little for many Modules, says the same after a restart, and writes nothing where nothing differs', async () => {
  const stop = await cluster.startOperator()
  // No node: the Modules want nothing but what the preflights ask for.
  const scene = await Scene.open(cluster, 'pf-writes', { node: { labels: { unselected: '' } } })
  const modules = Array.from({ length: 40 }, (_, index) => `m${index}`)
  const preflights = ['pf-writes-a', 'pf-writes-b', 'pf-writes-c']
  await pushFor(scene)
  for (const name of modules)
    await scene.create(containerImage(scene), ({ metadata, spec }) => {
      metadata.name = name
      if (spec) spec.selector = { nobody: '' }
    })
  const startedMs = Date.now()
  for (const name of preflights) await createPreflight(scene, name)
  for (const name of preflights)
    for (const module of modules) await untilVerified(scene, name, 'Success', { module, words: kernel55 })
  const seconds = (Date.now() - startedMs) / 1000
  const statuses = listWrites('preflightvalidations')
  expect(statuses.length).toBeLessThanOrEqual(preflights.length * (seconds + 2))
  const configs = listWrites('moduleimagesconfigs')
  expect(configs.filter(({ verb }) => verb === 'create')).toHaveLength(modules.length * preflights.length)
  expect(configs.length).toBeLessThanOrEqual(2 * modules.length * preflights.length)

  await cluster.quiet(2_000)
  await stop()
  const [from, before] = [cluster.sandbox.writes.length, findEntry(scene, 'pf-writes-b', 'm7')]
  await cluster.startOperator()
  await cluster.quiet(2_500)
  expect(findEntry(scene, 'pf-writes-b', 'm7')).toEqual(before)
  expect(listWrites('preflightvalidations', from)).toEqual([])
  expect(listWrites('moduleimagesconfigs', from)).toEqual([])

  await cluster.deleteModule('m7', scene.name)
  await scene.until('its entry is gone', () => findEntry(scene, 'pf-writes-b', 'm7') === undefined)
  await scene.until('its configs, too', () => listConfigs(scene, 'pf-writes-b').length === modules.length - 1)
})
