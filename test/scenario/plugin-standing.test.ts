import { afterAll, beforeAll, it } from 'vitest'
import { serviceAccounts } from '../../src/kube/core-resources.ts'
import { Cluster } from './cluster.ts'
import { Scene } from './scene.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [] })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

it('says where to look when pods of the device plugin cannot be made, as without their service account', async () => {
  const scene = await Scene.open(cluster, 'unmanned')
  await scene.create(await scene.push('1'), ({ spec }) => {
    if (spec) spec.devicePlugin = { container: { image: 'registry.example/plugin:1' }, serviceAccountName: 'missing' }
  })
  await scene.until('where to look', () =>
    scene.condition('Ready')?.message?.includes(`kubectl -n ${scene.name} describe daemonset demo-device-plugin-`),
  )
  await cluster.sandbox.client.create(serviceAccounts, { metadata: { namespace: scene.name, name: 'missing' } })
  await scene.untilCondition('Ready', 'True', 'Loaded')
})
