import { afterAll, beforeAll, expect } from 'vitest'
import { Cluster } from './cluster.ts'
import { createReasonTests, workersEndWell } from './reason-test.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], rules: workersEndWell })
  // By the machine's own time: two minutes without an answer, and workers try it themselves.
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

itEndsIn('ImageUnknown', 'a registry that does not answer the operator, until it does', async (scene) => {
  const image = await scene.push('1')
  const fault = { method: 'HEAD', repository: scene.repository, action: { do: 'reset' as const } }
  const lift = cluster.sandbox.registry.fail(fault)
  await scene.create(image)
  await scene.untilTold('ImageUnknown')
  expect([scene.pods.Load.size, scene.pods.Unload.size]).toEqual([0, 0])
  lift()
  await scene.untilReady()
})
