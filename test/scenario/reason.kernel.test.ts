import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { Cluster, exampleFiles, kernel56 } from './cluster.ts'
import { createReasonTests } from './reason-test.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await Cluster.start({ nodes: [], times: { restartBaseMs: 1_000 } })
  await cluster.startOperator()
})
afterAll(() => cluster.stop())

const itEndsIn = createReasonTests(() => cluster)

itEndsIn('Loaded', 'what the worker reports of a module that went into the kernel', async (scene) => {
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  expect(scene.kernel.insertions('kmm_demo')).toBe(1)
})

itEndsIn('Unloaded', 'what the worker reports of a module that was taken out', async (scene) => {
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  await scene.delete()
  await scene.untilGone()
  expect(scene.kernel.loadedModules()).toEqual([])
})

itEndsIn('SignatureRejected', 'a node that enforces signatures, until it does not', async (scene) => {
  scene.kernel.setEnforce(true)
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('SignatureRejected', 2)).toContain('sign the module with a key that the node trusts')
  scene.kernel.setEnforce(false)
  await scene.untilReady()
})

itEndsIn('ModuleInUse', 'an unload of what somebody uses, until that ends', async (scene) => {
  await scene.create(await scene.push('1'))
  await scene.untilReady()
  scene.kernel.setInUse('kmm_demo', 1)
  await scene.delete()
  expect(await scene.untilFailed('ModuleInUse', 2)).toContain('is in use')
  expect(scene.condition('Ready')?.message).toContain(`waits for 1 node: ${scene.name} (ModuleInUse`)
  expect(scene.isReady).toBe(false)
  scene.kernel.setInUse('kmm_demo', 0)
  await scene.untilGone()
  expect(scene.kernel.isLoaded('kmm_demo')).toBe(false)
})

itEndsIn('OtherVersionLoaded', 'an in-tree module that nobody listed, until the node boots without', async (scene) => {
  scene.kernel.insertInTree('kmm_demo', { srcversion: 'INTREE' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('OtherVersionLoaded')).toContain('list kmm_demo in inTreeModulesToRemove')
  expect(scene.kernel.removals('kmm_demo')).toBe(0)
  await scene.node.reboot()
  await scene.untilReady()
})

itEndsIn('UnknownSymbol', 'a kernel that lacks a symbol, until it has it', async (scene) => {
  scene.kernel.setMissingSymbols(['_printk'])
  await scene.create(await scene.push('1'))
  await scene.untilFailed('UnknownSymbol')
  scene.kernel.setMissingSymbols([])
  await scene.untilReady()
})

itEndsIn(
  'FirmwareMissing',
  'an image without the file that the module asks for, until the node has it',
  async (scene) => {
    const files = { ...(await exampleFiles(kernel56)), 'firmware/other.bin': { data: 'other' } }
    await scene.create(await scene.push('1', files), ({ spec }) => {
      const modprobe = { moduleName: 'kmm_demo_fw', firmwarePath: '/firmware' }
      Object.assign(spec?.moduleLoader?.container ?? {}, { modprobe })
    })
    expect(await scene.untilFailed('FirmwareMissing')).toContain('kmm/demo.bin')
    const folder = join(scene.node.root, 'lib/firmware/kmm')
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'demo.bin'), 'firmware')
    await scene.untilReady()
  },
)

itEndsIn('InvalidParameter', 'a value that the module refuses, until the Module is corrected', async (scene) => {
  await scene.create(await scene.push('1'), ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container.modprobe ?? {}, { parameters: ['count=1000'] })
  })
  expect(await scene.untilFailed('InvalidParameter')).toContain('modprobe.parameters')
  await scene.patchContainer({ modprobe: { parameters: ['count=7'] } })
  await scene.untilReady()
  expect(scene.kernel.loadedModules()[0]?.parameters).toMatchObject({ count: '7' })
})

itEndsIn('InTreeRemovalFailed', 'an in-tree module that is in use, until it is free', async (scene) => {
  scene.kernel.insertInTree('kmm_demo', { srcversion: 'INTREE' })
  scene.kernel.setInUse('kmm_demo', 'sound')
  await scene.create(await scene.push('1'), ({ spec }) => {
    Object.assign(spec?.moduleLoader?.container ?? {}, { inTreeModulesToRemove: ['kmm-demo'] })
  })
  expect(await scene.untilFailed('InTreeRemovalFailed')).toContain('in use by sound')
  scene.kernel.setInUse('kmm_demo', 0)
  await scene.untilReady()
  expect(scene.kernel.removals('kmm_demo')).toBe(1)
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

itEndsIn('Unknown', 'a module that finds no device, until there is one', async (scene) => {
  scene.kernel.setBehaviour('kmm_demo', { failInit: 'ENODEV' })
  await scene.create(await scene.push('1'))
  expect(await scene.untilFailed('Unknown')).toContain('found no device')
  scene.kernel.setBehaviour('kmm_demo', {})
  await scene.untilReady()
})
