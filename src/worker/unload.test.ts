import { existsSync, readdirSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { demoVersions, exampleModules, kernel, modulesPath, WorkerNode } from '../../test/worker-node.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'

let registry: SandboxRegistry
let node: WorkerNode
let image: string
beforeAll(async () => {
  registry = await startRegistry()
  const entries = [...exampleModules(), { name: 'firmware/kmm/demo.bin', content: 'firmware' }]
  image = (await registry.push({ repository: 'demo', tag: '1', layers: [{ entries }] })).image
})
afterAll(() => registry.stop())
beforeEach(() => {
  node = new WorkerNode()
  node.configure({ containerImage: image })
})
afterEach(() => {
  registry.clearFaults()
  node.remove()
})

const unloadCommand = ['-rvd', '/tmp/opt', 'kmm_demo']

describe('an unload', () => {
  it('runs modprobe on the image’s files and reports', async () => {
    await node.run('load')
    const report = await node.run('unload')
    expect(node.modprobeCalls.at(-1)).toEqual(unloadCommand)
    expect(report).toMatchObject({ status: 0, action: 'unload', outcome: 'ok', reason: 'Unloaded', modules: [] })
    expect(node.loaded).toEqual([])
  })

  it('names the whole loading order as it is listed, and gives no parameters', async () => {
    const modprobe = {
      moduleName: 'kmm_demo',
      dirName: '/opt',
      modulesLoadingOrder: ['kmm_demo', 'kmm_demo_dep'],
      parameters: ['count=3'],
      args: { unload: ['--remove-holders'] },
    }
    node.addModule('kmm_demo', { taint: 'OE' })
    node.configure({ containerImage: image, modprobe })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(node.modprobeCalls).toEqual([['-rvd', '/tmp/opt', '--remove-holders', 'kmm_demo', 'kmm_demo_dep']])
  })

  it('runs a raw command line as it is', async () => {
    const rawArgs = { load: ['-v', 'x'], unload: ['-r', '--dirname', '/tmp/opt', 'kmm_demo'] }
    node.configure({ containerImage: image, modprobe: { dirName: '/opt', rawArgs } })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(node.modprobeCalls).toEqual([rawArgs.unload])
  })

  it('has nothing to do, and asks no registry, when nothing is loaded', async () => {
    const before = registry.requests.length
    expect(await node.run('unload')).toMatchObject({ status: 0, outcome: 'ok', reason: 'Unloaded' })
    expect(node.modprobeCalls).toEqual([])
    expect(registry.requests).toHaveLength(before)
  })

  it('names the users of a module that is in use', async () => {
    node.addModule('kmm_demo', {
      taint: 'OE',
      srcversion: demoVersions.first,
      refcnt: 2,
      holders: ['user_a', 'user_b'],
    })
    node.planModprobe({ when: '-rvd', status: 1, stderr: 'modprobe: FATAL: Module kmm_demo is in use.' })
    const report = await node.run('unload')
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'ModuleInUse' })
    expect(report.message).toMatch(/user_a user_b/)
    expect(report.modules).toEqual([{ name: 'kmm_demo', srcversion: demoVersions.first, refcnt: 2 }])
  })

  it('says that a module is in use of which modprobe said nothing, as it does with --wait', async () => {
    node.addModule('kmm_demo', { taint: 'OE', refcnt: 1 })
    node.host.modprobePath = '/bin/true'
    const report = await node.run('unload')
    expect(report).toMatchObject({ status: 1, reason: 'ModuleInUse' })
    expect(report.message).toMatch(/kmm_demo is still loaded: it is in use/)
  })

  it('believes the kernel rather than modprobe’s exit status', async () => {
    node.addModule('kmm_demo', { taint: 'OE', initstate: 'live' })
    node.planModprobe({ when: '-rvd', status: 0 })
    node.host.modprobePath = '/bin/true'
    const report = await node.run('unload')
    expect(report).toMatchObject({ status: 1, reason: 'Unknown' })
    expect(report.message).toMatch(/kmm_demo is still loaded/)
  })

  it('is done when somebody else removes the module at the same time', async () => {
    const stderr = "modprobe: ERROR: could not remove 'kmm_demo': No such file or directory"
    node.addModule('kmm_demo', { taint: 'OE' })
    node.planModprobe({ when: '-rvd', status: 1, stderr, gone: ['kmm_demo'] })
    expect(await node.run('unload')).toMatchObject({ status: 0, outcome: 'ok', message: 'kmm_demo is unloaded' })
  })

  it('of a raw command line fails when modprobe does, as nobody knows what is left', async () => {
    const rawArgs = { load: ['-v', 'x'], unload: ['-r', '--dirname', '/tmp/opt', 'kmm_demo'] }
    node.configure({ containerImage: image, modprobe: { dirName: '/opt', rawArgs } })
    node.planModprobe({ when: '-r', status: 1, stderr: 'modprobe: FATAL: Module kmm_demo is in use.' })
    expect(await node.run('unload')).toMatchObject({ status: 1, reason: 'ModuleInUse' })
  })

  it('leaves the kernel’s own module of the same name where it is', async () => {
    node.addModule('kmm_demo', { srcversion: 'INTREE' })
    const report = await node.run('unload')
    expect(report).toMatchObject({ status: 0, outcome: 'ok', reason: 'Unloaded' })
    expect(report.message).toMatch(/kernel's own module and stays/)
    expect(node.modprobeCalls).toEqual([])
    expect(node.loaded).toEqual(['kmm_demo'])
  })
})

describe('an unload without the image', () => {
  beforeEach(() => registry.fail({ action: { do: 'missing' }, kind: 'manifest' }))

  it('uses what the kernel knows of the loaded modules', async () => {
    node.addModule('kmm_demo', { taint: 'OE', srcversion: 'X' })
    node.addModule('kmm_demo_dep', { taint: 'OE', holders: ['kmm_demo'] })
    node.addModule('usbcore', { holders: ['kmm_demo'] })
    const report = await node.run('unload')
    expect(report).toMatchObject({ status: 0, outcome: 'ok', reason: 'Unloaded' })
    expect(node.modprobeCalls).toEqual([unloadCommand])
    expect(node.read(`tmp/${modulesPath}/modules.dep`)).toBe('kmm_demo.ko: kmm_demo_dep.ko\nkmm_demo_dep.ko:\n')
    expect(existsSync(node.path(`tmp/${modulesPath}/modules.dep.bin`))).toBe(true)
  })

  it('removes what the loading order names, in-tree modules among it, also when only these are left', async () => {
    const modulesLoadingOrder = ['kmm_demo', 'in_tree']
    node.configure({
      containerImage: image,
      modprobe: { moduleName: 'kmm_demo', dirName: '/opt', modulesLoadingOrder },
    })
    node.addModule('in_tree', {})
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded', modules: [] })
    node.addModule('in_tree', {})
    node.addModule('kmm_demo', { taint: 'OE' })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded', modules: [] })
    expect(node.read(`tmp/${modulesPath}/modules.dep`)).toBe('kmm_demo.ko:\nin_tree.ko:\n')
  })

  it('needs none at all in a later kernel', async () => {
    node.configure({ containerImage: image, kernelVersion: '5.10.0' })
    node.addModule('kmm_demo', { taint: 'OE' })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
  })

  it('says why it cannot be had where the loaded module may be the kernel’s own', async () => {
    node.addModule('kmm_demo', { srcversion: 'INTREE' })
    expect(await node.run('unload')).toMatchObject({ status: 1, reason: 'ImageNotFound' })
    expect(node.modprobeCalls).toEqual([])
  })

  it('says why it cannot be had where a raw command line needs it', async () => {
    const rawArgs = { load: ['-v', 'x'], unload: ['-r', '--dirname', '/tmp/opt', 'x'] }
    node.configure({ containerImage: image, modprobe: { dirName: '/opt', rawArgs } })
    expect(await node.run('unload')).toMatchObject({ status: 1, reason: 'ImageNotFound' })
  })
})

describe('an unload with an image that has changed since', () => {
  it('uses what the kernel knows of modules that the image no longer has', async () => {
    node.addModule('renamed_since', { taint: 'OE', srcversion: 'X' })
    node.configure({ containerImage: image, modprobe: { moduleName: 'renamed-since', dirName: '/opt' } })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(node.modprobeCalls).toEqual([['-rvd', '/tmp/opt', 'renamed-since']])
    expect(node.read(`tmp/${modulesPath}/modules.dep`)).toBe('renamed_since.ko:\n')
  })
})

describe('an unload after a load', () => {
  it('uses the node’s copy, whatever the pull policy', async () => {
    node.configure({ containerImage: image, imagePullPolicy: 'Always' })
    await node.run('load')
    const before = registry.requests.length
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(registry.requests).toHaveLength(before)
  })

  it('removes the firmware that was copied, and nothing else', async () => {
    const modprobe = { moduleName: 'kmm_demo', dirName: '/opt', firmwarePath: '/firmware' }
    const flags = ['--firmware-path', '/lib/firmware']
    node.configure({ containerImage: image, modprobe })
    node.write('lib/firmware/kmm/other.bin', 'stays')
    await node.run('load', flags)
    expect(readdirSync(node.path('lib/firmware/kmm')).sort()).toEqual(['demo.bin', 'other.bin'])
    await node.run('unload', flags)
    expect(readdirSync(node.path('lib/firmware/kmm'))).toEqual(['other.bin'])
    expect(node.read('sys/module/firmware_class/parameters/path')).toBe('/lib/firmware')

    node.write('lib/firmware/kmm/demo.bin', 'left by an unload that was killed')
    expect(await node.run('unload', flags)).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(readdirSync(node.path('lib/firmware/kmm'))).toEqual(['other.bin'])
    expect(node.modprobeCalls).toHaveLength(2)
  })

  it('does not fail for firmware whose image is gone', async () => {
    registry.fail({ action: { do: 'missing' }, kind: 'manifest' })
    const modprobe = { moduleName: 'kmm_demo', dirName: '/opt', firmwarePath: '/firmware' }
    node.configure({ containerImage: image, modprobe })
    expect(await node.run('unload', ['--firmware-path', '/lib/firmware'])).toMatchObject({ status: 0 })
    expect(node.logs.join('\n')).toMatch(/firmware of .* stays/)
  })
})

describe('the kernel', () => {
  it('is named in the report', async () => {
    expect(await node.run('unload')).toMatchObject({ bootID: 'boot-1', kernel })
  })
})
