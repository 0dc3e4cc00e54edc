import { expect, it } from 'vitest'
import { daemonSets, nodes, serviceAccounts } from '../../src/kube/core-resources.ts'
import { useDra } from './dra-scene.ts'
import { Scene } from './scene.ts'

const dra = useDra()

it('says where to look when pods of the device plugin cannot be made, as without their service account', async () => {
  const scene = await Scene.open(dra.cluster, 'unmanned')
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' }, serviceAccountName: 'missing' }
  })
  await scene.until('where to look', () =>
    scene.condition('Ready')?.message?.includes(`kubectl -n ${scene.name} describe daemonset demo-device-plugin-`),
  )
  await dra.cluster.sandbox.client.create(serviceAccounts, { metadata: { namespace: scene.name, name: 'missing' } })
  await scene.untilCondition('Ready', 'True', 'Loaded')
})

it('is ready with a device plugin that stays on a node which is tainted later, and counts it', async () => {
  const scene = await Scene.open(dra.cluster, 'tainted')
  const { client } = dra.cluster.sandbox
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' } }
  })
  await scene.untilReady()
  const find = () => dra.view.daemonSetsOf('device-plugin', 'demo', scene.name)[0]
  const counts = () => find()?.status
  await scene.until('the pod is counted', () => counts()?.numberAvailable === 1)
  const taints = [{ key: 'maintenance', value: 'soon', effect: 'NoSchedule' }]
  await client.patch(nodes, { name: scene.name }, { type: 'merge', body: { spec: { taints } } })
  // Its controller does not count anew for a taint alone.
  const key = { namespace: scene.name, name: find()?.metadata?.name ?? '' }
  await client.patch(daemonSets, key, { type: 'merge', body: { metadata: { annotations: { looked: 'at' } } } })
  await scene.until('the pod is counted no more', () => counts()?.desiredNumberScheduled === 0)
  await dra.cluster.quiet(1_500)
  expect(scene.condition('Ready')).toMatchObject({ status: 'True', message: 'loaded on 1 node' })
  expect(scene.module?.status?.devicePlugin).toMatchObject({ desiredNumber: 1, availableNumber: 1 })
})
