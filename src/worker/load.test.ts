import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { demoVersions, exampleModules, kernel, modulesPath, WorkerNode } from '../../test/worker-node.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'

let registry: SandboxRegistry
let node: WorkerNode
let image: string
beforeAll(async () => {
  registry = await startRegistry()
  image = (await registry.push({ repository: 'demo', tag: '1', layers: [{ entries: exampleModules() }] })).image
})
afterAll(() => registry.stop())
beforeEach(() => {
  node = new WorkerNode()
  node.configure({ containerImage: image })
})
afterEach(() => node.remove())

const loadCommand = ['-vd', '/tmp/opt', 'kmm_demo']

describe('a load', () => {
  it('pulls the image, extracts it, runs modprobe and reports', async () => {
    const report = await node.run('load')
    expect(node.modprobeCalls).toEqual([loadCommand])
    expect(report).toMatchObject({
      status: 0,
      v: 1,
      bootID: 'boot-1',
      kernel,
      action: 'load',
      outcome: 'ok',
      reason: 'Loaded',
      alreadyLoaded: false,
      modules: [{ name: 'kmm_demo', srcversion: demoVersions.first, refcnt: 0 }],
    })
    expect(Object.keys(report.durationsMs).sort()).toEqual(['extract', 'modprobe', 'pull'])
    expect(existsSync(node.path(`tmp/${modulesPath}/kmm_demo.ko`))).toBe(true)
    expect(node.logs).toContain('Running: modprobe -vd /tmp/opt kmm_demo')
  })

  it('passes parameters and arguments in their places, and no environment', async () => {
    node.configure({
      containerImage: image,
      modprobe: {
        moduleName: 'kmm_demo',
        dirName: '/opt',
        parameters: ['count=3', 'greeting=hello $(reboot)'],
        args: { load: ['--force'] },
      },
    })
    await node.run('load')
    expect(node.modprobeCalls).toEqual([
      ['-vd', '/tmp/opt', '--force', 'kmm_demo', 'count=3', 'greeting=hello $(reboot)'],
    ])
    expect(JSON.parse(node.read('modprobe.log'))).toMatchObject({ env: ['KMM_KERNEL_RELEASE', 'KMM_NODE_ROOT'] })
  })

  it('runs a raw command line as it is', async () => {
    node.planModprobe({ when: '--verbose', stdout: 'insmod something' })
    const rawArgs = { load: ['--verbose', '--dirname', '/tmp/opt', 'kmm_demo'], unload: ['-r', 'kmm_demo'] }
    node.configure({ containerImage: image, modprobe: { dirName: '/opt', rawArgs } })
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.modprobeCalls).toEqual([rawArgs.load])
    expect(node.logs).toContain('modprobe: insmod something')
  })

  it('fails when modprobe reports success and the module is not in the kernel', async () => {
    node.planModprobe({ when: 'kmm_demo', idle: true })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'Unknown' })
    expect(report.message).toMatch(
      /^modprobe reported no error, but kmm_demo is not among the loaded modules: .*EEXIST/,
    )
  })

  it('takes a module that is part of the kernel itself for loaded', async () => {
    node.write(`lib/modules/${kernel}/modules.builtin`, 'kernel/kmm-demo.ko\n')
    node.planModprobe({ when: 'kmm_demo', idle: true })
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
  })

  it('replaces what an earlier attempt has left in /tmp', async () => {
    node.write(`tmp/${modulesPath}/stale.ko`, 'stale')
    node.write('tmp/.kmm-image-old/x', 'left by a killed worker')
    await node.run('load')
    expect(existsSync(node.path(`tmp/${modulesPath}/stale.ko`))).toBe(false)
    expect(readdirSync(node.path('tmp'))).toEqual(['opt'])
  })

  it('finds the modules of a kernel whose name lost its plus sign', async () => {
    node.configure({ containerImage: image })
    const host = {
      ...node.host,
      kernelRelease: `${kernel}+`,
      modprobeEnvironment: { ...node.host.modprobeEnvironment, KMM_KERNEL_RELEASE: `${kernel}+` },
    }
    expect(await node.run('load', [], { host })).toMatchObject({ reason: 'Loaded' })
  })
})

describe('loading again', () => {
  it('is nothing to do', async () => {
    await node.run('load')
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 0, outcome: 'ok', reason: 'Loaded', alreadyLoaded: true })
    expect(report.modules).toMatchObject([{ name: 'kmm_demo', srcversion: demoVersions.first }])
    expect(node.modprobeCalls).toEqual([loadCommand])
  })

  it('neither removes nor inserts a module that replaces its in-tree namesake', async () => {
    node.addModule('kmm_demo', { srcversion: 'INTREE' })
    node.addModule('mod_b', { srcversion: 'B' })
    node.configure({ containerImage: image, inTreeModulesToRemove: ['kmm_demo', 'mod_b'] })
    expect(await node.run('load')).toMatchObject({ reason: 'Loaded', alreadyLoaded: false })
    expect(node.modprobeCalls).toEqual([['-rv', 'kmm_demo', 'mod_b'], loadCommand])
    node.addModule('mod_b', { srcversion: 'B' })
    expect(await node.run('load')).toMatchObject({ reason: 'Loaded', alreadyLoaded: true })
    expect(node.modprobeCalls).toHaveLength(2)
    expect(node.loaded.sort()).toEqual(['kmm_demo', 'mod_b'])
  })

  it('goes on where a loading order is loaded in part, and removes nothing of it', async () => {
    node.addModule('kmm_demo_dep', { srcversion: await versionOf('kmm_demo_dep'), taint: 'OE' })
    node.configure({
      containerImage: image,
      inTreeModulesToRemove: ['kmm_demo_dep'],
      modprobe: { moduleName: 'kmm_demo', dirName: '/opt', modulesLoadingOrder: ['kmm_demo', 'kmm_demo_dep'] },
    })
    expect(await node.run('load')).toMatchObject({ reason: 'Loaded', alreadyLoaded: false })
    expect(node.modprobeCalls).toEqual([loadCommand])
    expect((await node.run('load')).alreadyLoaded).toBe(true)
  })

  it('fails when another version is loaded, and leaves that alone', async () => {
    node.addModule('kmm_demo', { srcversion: demoVersions.second, taint: 'OE' })
    node.configure({ containerImage: image, inTreeModulesToRemove: ['kmm-demo'] })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'OtherVersionLoaded' })
    expect(report.message).toContain(demoVersions.second)
    expect(node.modprobeCalls).toEqual([])
  })

  it('takes no in-tree module for its replacement, though neither has a srcversion', async () => {
    const folder = `examples/kmod/prebuilt-more/${kernel}`
    const entries = readdirSync(folder)
      .filter((name) => name !== 'host')
      .map((name) => ({ name: `${modulesPath}/${name}`, content: readFileSync(`${folder}/${name}`) }))
    const pushed = await registry.push({ repository: 'dummy', tag: '1', layers: [{ entries }] })
    const modprobe = { moduleName: 'dummy', dirName: '/opt' }
    node.addModule('dummy')
    node.configure({ containerImage: pushed.image, modprobe })
    expect((await node.run('load')).reason).toBe('OtherVersionLoaded')
    node.reboot()
    node.addModule('dummy', { taint: 'OE' })
    expect(await node.run('load')).toMatchObject({ reason: 'Loaded', alreadyLoaded: true })
  })

  it('says how to replace an in-tree module that has the same name', async () => {
    node.addModule('kmm_demo', { srcversion: 'INTREE' })
    const report = await node.run('load')
    expect(report.reason).toBe('OtherVersionLoaded')
    expect(report.message).toContain('list kmm_demo in inTreeModulesToRemove')
  })
})

async function versionOf(name: string): Promise<string> {
  const probe = new WorkerNode()
  probe.configure({ containerImage: image, modprobe: { moduleName: name, dirName: '/opt' } })
  const report = await probe.run('load')
  probe.remove()
  return report.modules[0]?.srcversion ?? ''
}

describe('in-tree modules', () => {
  it('are removed in one call, in the order given, the single one last, as their author spells them', async () => {
    for (const name of ['snd_foo', 'b', 'c']) node.addModule(name)
    node.configure({
      containerImage: image,
      inTreeModulesToRemove: ['snd-foo', 'b', 'snd_foo'],
      inTreeModuleToRemove: 'c',
    })
    await node.run('load')
    expect(node.modprobeCalls[0]).toEqual(['-rv', 'snd-foo', 'b', 'c'])
  })

  it('are left alone when not loaded, built in, or not from the kernel’s own tree', async () => {
    node.write(`lib/modules/${kernel}/modules.builtin`, 'kernel/fs/ext4/ext4.ko\nkernel/net/in-it.ko\n')
    node.addModule('stranger', { taint: 'OE' })
    node.write('sys/module/printk/parameters/time', 'Y')
    const inTreeModulesToRemove = ['absent', 'in_it', 'stranger', 'printk', '../../etc']
    node.configure({ containerImage: image, inTreeModulesToRemove })
    expect(await node.run('load')).toMatchObject({ reason: 'Loaded' })
    expect(node.modprobeCalls).toEqual([loadCommand])
    expect(node.logs).toEqual(
      expect.arrayContaining([
        'The in-tree module absent is not removed: it is not loaded.',
        'The in-tree module in_it is not removed: it is built into the kernel and cannot be removed.',
        'The in-tree module stranger is not removed: what is loaded under this name is not the in-tree module.',
      ]),
    )
  })

  it('that cannot be removed end the load', async () => {
    node.addModule('mod_b', { refcnt: 1, holders: ['mod_c'] })
    node.planModprobe({ when: '-rv', status: 1, stderr: 'modprobe: FATAL: Module mod_b is in use.' })
    node.configure({ containerImage: image, inTreeModulesToRemove: ['mod_b'] })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'InTreeRemovalFailed' })
    expect(report.message).toMatch(/mod_b is in use by mod_c/)
    expect(node.loaded).toEqual(['mod_b'])
  })

  it('that somebody else removes at the same time are gone all the same', async () => {
    const stderr = "modprobe: ERROR: could not remove 'mod_b': No such file or directory"
    for (const name of ['mod_b', 'mod_c']) node.addModule(name)
    node.planModprobe({ when: '-rv mod_b', status: 1, stderr, gone: ['mod_b', 'mod_c'] })
    node.configure({ containerImage: image, inTreeModulesToRemove: ['mod_b', 'mod_c'] })
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.loaded).toEqual(['kmm_demo'])
  })

  it('of which one is left end the load, though another is gone', async () => {
    const stderr = "modprobe: ERROR: could not remove 'mod_b': No such file or directory"
    for (const name of ['mod_b', 'mod_c']) node.addModule(name)
    node.planModprobe({ when: '-rv mod_b', status: 1, stderr, gone: ['mod_b'] })
    node.configure({ containerImage: image, inTreeModulesToRemove: ['mod_b', 'mod_c'] })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'InTreeRemovalFailed' })
    expect(node.loaded).toEqual(['mod_c'])
  })

  it('stay when the image could not replace them', async () => {
    node.addModule('mod_b')
    node.configure({
      containerImage: image,
      inTreeModulesToRemove: ['mod_b'],
      modprobe: { moduleName: 'other', dirName: '/opt' },
    })
    expect(await node.run('load')).toMatchObject({ reason: 'ModuleNotInImage' })
    expect(node.modprobeCalls).toEqual([])
  })
})

describe('a load fails with the reason', () => {
  it('ModuleNotInImage for a directory that the image lacks', async () => {
    node.configure({ containerImage: image, modprobe: { moduleName: 'kmm_demo', dirName: '/srv' } })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'ModuleNotInImage' })
    expect(report.message).toContain(`no kernel modules in /srv/lib/modules/${kernel}`)
  })

  it('KernelMismatch when the node runs another kernel than the configuration is for', async () => {
    node.configure({ containerImage: image, kernelVersion: '6.1.0-55-amd64' })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'KernelMismatch', modules: [] })
    expect(node.modprobeCalls).toEqual([])
  })

  it('KernelMismatch, before anything is removed, for a module that was built for another kernel', async () => {
    const entries = exampleModules('prebuilt', '6.1.0-55-amd64').map((entry) => ({
      ...entry,
      content: Buffer.from(
        entry.content?.toString('latin1').replaceAll('mod_unload modversions ', 'mod_unload xxxxxxxxxxx ') ?? '',
        'latin1',
      ),
    }))
    const { image: other } = await registry.push({ repository: 'other', tag: '1', layers: [{ entries }] })
    node.addModule('mod_b')
    node.configure({ containerImage: other, inTreeModulesToRemove: ['mod_b'] })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'KernelMismatch' })
    expect(report.message).toContain('6.1.0-55-amd64')
    expect(node.modprobeCalls).toEqual([])
  })

  it('KernelMismatch by the kernel’s word for one with symbol versions', async () => {
    const { image: other } = await registry.push({
      repository: 'versioned',
      tag: '1',
      layers: [{ entries: exampleModules('prebuilt', '6.1.0-55-amd64') }],
    })
    node.planModprobe({
      when: 'kmm_demo',
      status: 1,
      stderr: "modprobe: ERROR: could not insert 'kmm_demo': Exec format error",
    })
    node.configure({ containerImage: other })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'KernelMismatch' })
    expect(node.modprobeCalls).toEqual([loadCommand])
  })

  it.each([
    ['SignatureRejected', 'Key was rejected by service'],
    ['PermissionDenied', 'Operation not permitted'],
    ['UnknownSymbol', 'Unknown symbol in module, or unknown parameter (see dmesg)'],
    ['Unknown', 'something that nobody has heard of'],
  ])('%s by what modprobe says', async (reason, words) => {
    const stderr = `modprobe: ERROR: could not insert 'kmm_demo': ${words}`
    node.planModprobe({ when: 'kmm_demo', status: 1, stderr })
    expect(await node.run('load')).toMatchObject({ status: 1, outcome: 'failed', reason, alreadyLoaded: false })
  })

  it('InvalidParameter where there are parameters', async () => {
    node.planModprobe({
      when: 'count',
      status: 1,
      stderr: "modprobe: ERROR: could not insert 'kmm_demo': Invalid argument",
    })
    node.configure({
      containerImage: image,
      modprobe: { moduleName: 'kmm_demo', dirName: '/opt', parameters: ['count=x'] },
    })
    expect(await node.run('load')).toMatchObject({ status: 1, reason: 'InvalidParameter' })
  })

  it('Unknown when modprobe cannot be started', async () => {
    const host = { ...node.host, modprobePath: node.path('no-such-program') }
    const report = await node.run('load', [], { host })
    expect(report).toMatchObject({ status: 1, reason: 'Unknown' })
    expect(report.message).toMatch(/could not be started/)
  })

  it('ImageInvalid for a hostile image, of which nothing is left', async () => {
    const { image: hostile } = await registry.push({
      repository: 'hostile',
      tag: '1',
      layers: [
        { entries: exampleModules() },
        { entries: [{ name: `${modulesPath}/../../../../../escaped`, content: 'x' }] },
      ],
    })
    node.configure({ containerImage: hostile })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'ImageInvalid' })
    expect(report.message).toMatch(/layer 2 of 2/)
    expect(readdirSync(node.path('tmp'))).toEqual([])
  })
})

describe('firmware', () => {
  const modprobe = { moduleName: 'kmm_demo_fw', dirName: '/opt', firmwarePath: '/firmware' }
  const flags = ['--firmware-path', '/lib/firmware']
  let withFirmware: string
  beforeAll(async () => {
    const pushed = await registry.push({
      repository: 'firmware',
      tag: '1',
      layers: [
        {
          entries: [
            ...exampleModules(),
            { name: 'firmware/kmm/demo.bin', content: 'firmware' },
            { name: 'firmware/kmm/link.bin', type: 'symlink', linkname: 'demo.bin' },
            { name: 'firmware/module.ko', type: 'symlink', linkname: `/${modulesPath}/kmm_demo.ko` },
          ],
        },
      ],
    })
    withFirmware = pushed.image
  })

  it('is copied to the node before modprobe, and the kernel is told where', async () => {
    node.write('lib/firmware/kmm/demo.bin', 'old')
    node.write('lib/firmware/other.bin', 'stays')
    node.configure({ containerImage: withFirmware, modprobe })
    expect(await node.run('load', flags)).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.read('lib/firmware/kmm/demo.bin')).toBe('firmware')
    expect(node.read('lib/firmware/kmm/link.bin')).toBe('firmware')
    expect(node.read('lib/firmware/module.ko')).toContain('srcversion=')
    expect(node.read('lib/firmware/other.bin')).toBe('stays')
    expect(node.read('sys/module/firmware_class/parameters/path')).toBe('/lib/firmware')
  })

  it('path is not written again when the kernel has it, whatever line end it shows', async () => {
    node.write('sys/module/firmware_class/parameters/path', '/lib/firmware\n')
    node.configure({ containerImage: image })
    await node.run('load', flags)
    expect(node.read('sys/module/firmware_class/parameters/path')).toBe('/lib/firmware\n')
  })

  it('path is left alone without the flag', async () => {
    await node.run('load')
    expect(node.read('sys/module/firmware_class/parameters/path')).toBe('\n')
  })

  it('never goes through a link of the node that leads out', async () => {
    node.write('secret/kmm/x', '')
    node.write('lib/firmware/x', '')
    symlinkSync(node.path('secret'), node.path('lib/firmware/kmm'))
    node.configure({ containerImage: withFirmware, modprobe })
    expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'PermissionDenied' })
    expect(readdirSync(node.path('secret'))).toEqual(['kmm'])
    expect(readdirSync(node.path('secret/kmm'))).toEqual(['x'])
  })

  it('that the image lacks is the reason FirmwareMissing', async () => {
    node.configure({ containerImage: image, modprobe })
    expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'FirmwareMissing' })
    expect(node.modprobeCalls).toEqual([])
  })

  it('that a module declares and the node lacks explains why the kernel refused it', async () => {
    node.write('lib/firmware/other.bin', '')
    node.planModprobe({
      when: 'kmm_demo_fw',
      status: 1,
      stderr: "could not insert 'kmm_demo_fw': Unknown symbol in module, or unknown parameter (see dmesg)",
    })
    node.configure({ containerImage: image, modprobe: { moduleName: 'kmm_demo_fw', dirName: '/opt' } })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'FirmwareMissing' })
    expect(report.message).toContain('kmm/demo.bin')
    node.write('lib/firmware/kmm/demo.bin.xz', '')
    expect(await node.run('load')).toMatchObject({ reason: 'UnknownSymbol' })
  })
})
