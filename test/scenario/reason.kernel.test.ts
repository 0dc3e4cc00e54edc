import { afterAll, beforeAll, expect } from 'vitest'
import { Cluster } from './cluster.ts'
import { createReasonTests } from './reason-test.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

itEndsIn('UnknownSymbol', 'a kernel that lacks a symbol, until it has it', async (scene) => {
  scene.kernel.setMissingSymbols(['_printk'])
  await scene.create(await scene.push('1'))
  await scene.untilFailed('UnknownSymbol')
  scene.kernel.setMissingSymbols([])
  await scene.untilReady()
})

itEndsIn('PermissionDenied', 'a kernel that takes no modules, until it does', async (scene) => {
  scene.kernel.setModulesDisabled(true)
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('PermissionDenied')).toContain('kernel.modules_disabled')
  scene.kernel.setModulesDisabled(false)
  await scene.untilReady()
})

itEndsIn('OutOfSpace', 'a kernel without memory for it, until there is some', async (scene) => {
  scene.kernel.setBehaviour('kmm_demo', { failInit: 'ENOMEM' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('OutOfSpace')).toContain('no memory left')
  scene.kernel.setBehaviour('kmm_demo', {})
  await scene.untilReady()
})
