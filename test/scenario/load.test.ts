import { afterEach, expect, it } from 'vitest'
import { Cluster, demoModule, kernel56 } from './cluster.ts'

let cluster: Cluster
afterEach(() => cluster.stop())

it('loads a module on a node and unloads it when the Module goes', async () => {
  cluster = await Cluster.start()
  await cluster.startOperator()
  await cluster.createNamespace()
  const image = await cluster.push(kernel56)
  await cluster.createModule(demoModule(image))
  await cluster.until('the ready label', () => cluster.isReady())
  expect(cluster.kernel().isLoaded('kmm_demo')).toBe(true)
  await cluster.until('the Module is ready', () => cluster.condition('Ready')?.status === 'True')
  expect(cluster.module()?.status?.moduleLoader).toEqual({
    nodesMatchingSelectorNumber: 1,
    desiredNumber: 1,
    availableNumber: 1,
  })
  await cluster.deleteModule()
  await cluster.until('the Module is gone', () => cluster.module() === undefined)
  expect(cluster.kernel().isLoaded('kmm_demo')).toBe(false)
  await cluster.until('no ready label', () => !cluster.isReady())
})
