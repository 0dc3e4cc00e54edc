import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { demoVersions, exampleModules, kernel, modulesPath, WorkerNode } from '../../test/worker-node.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'

let registry: SandboxRegistry
let node: WorkerNode
const flags = ['--image-folder', '/kmod-image']
const withFirmware = ['--firmware-path', '/lib/firmware', ...flags]

beforeAll(async () => {
  registry = await startRegistry()
})
afterAll(() => registry.stop())
afterEach(() => node.remove())

const imageName = (): string => `${registry.address}/demo:1`

function mount(path: string, content: string | Buffer): void {
  const at = node.path(`kmod-image/${path}`)
  mkdirSync(dirname(at), { recursive: true })
  writeFileSync(at, content)
}

/** What a kubelet would have mounted: the example modules below /opt. */
function mountExamples(version?: Parameters<typeof exampleModules>[0]): void {
  for (const { name, content } of exampleModules(version)) mount(name, content as Buffer)
}

beforeEach(() => {
  node = new WorkerNode()
  node.configure({ containerImage: imageName() })
})

describe('a load from an image that the kubelet has mounted', () => {
  it('asks no registry, and loads what is there', async () => {
    mountExamples()
    const before = registry.requests.length
    expect(await node.run('load', flags)).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.modprobeCalls.at(-1)).toEqual(['-vd', '/tmp/opt', 'kmm_demo'])
    expect(node.loaded).toEqual(['kmm_demo'])
    expect(registry.requests).toHaveLength(before)
  })

  it('loads again without harm, as in the other mode', async () => {
    mountExamples()
    await node.run('load', flags)
    expect(await node.run('load', flags)).toMatchObject({ status: 0, alreadyLoaded: true })
  })

  it('copies the firmware', async () => {
    mountExamples()
    mount('firmware/kmm/demo.bin', 'firmware')
    const modprobe = { moduleName: 'kmm_demo', dirName: '/opt', firmwarePath: '/firmware' }
    node.configure({ containerImage: imageName(), modprobe })
    expect(await node.run('load', withFirmware)).toMatchObject({ status: 0 })
    expect(node.read('lib/firmware/kmm/demo.bin')).toBe('firmware')
  })

  it('works without a cache', async () => {
    rmSync(node.path('var/lib/kmm/cache'), { recursive: true })
    mountExamples()
    expect(await node.run('load', flags)).toMatchObject({ status: 0, reason: 'Loaded' })
  })

  it('finds modules with long names, and where the directory above is a link of the image', async () => {
    mountExamples()
    const folder = `${'deep-folder-with-a-long-name/'.repeat(6)}grün`
    mount(`${modulesPath}/${folder}/extra.ko`, 'not looked at')
    symlinkSync('/srv/kmod', node.path('kmod-image/alias'))
    mkdirSync(node.path('kmod-image/srv'))
    symlinkSync('../opt', node.path('kmod-image/srv/kmod'))
    node.configure({ containerImage: imageName(), modprobe: { moduleName: 'kmm_demo', dirName: '/alias' } })
    expect(await node.run('load', flags)).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.read(`tmp/alias/lib/modules/${kernel}/${folder}/extra.ko`)).toBe('not looked at')
  })

  it('says that nothing is mounted', async () => {
    const report = await node.run('load', flags)
    expect(report).toMatchObject({ status: 1, reason: 'Unknown' })
    expect(report.message).toMatch(/Nothing is mounted at \/kmod-image.*worker\.imageSource to worker/)
    mkdirSync(node.path('kmod-image'))
    expect((await node.run('load', flags)).message).toMatch(/Nothing is mounted/)
  })

  it('says that the image has no such module', async () => {
    mount('etc/motd', 'hello')
    expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'ModuleNotInImage' })
  })
})

describe('a hostile image that is mounted', () => {
  it('does not lead the worker out of it by links', async () => {
    node.write('secret/lib/modules/x', 'of the node')
    for (const target of [node.path('secret'), '../../../../secret', '../secret']) {
      rmSync(node.path('kmod-image'), { recursive: true, force: true })
      mountExamples()
      mount('srv/x', '')
      symlinkSync(target, node.path('kmod-image/evil'))
      node.configure({ containerImage: imageName(), modprobe: { moduleName: 'kmm_demo', dirName: '/evil' } })
      expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'ModuleNotInImage' })
    }
  })

  it('has its links among the modules left out where they lead out', async () => {
    mountExamples()
    node.write('secret.txt', 'of the node')
    symlinkSync(node.path('secret.txt'), node.path(`kmod-image/${modulesPath}/secret.ko`))
    symlinkSync('../../../../../secret.txt', node.path(`kmod-image/${modulesPath}/other.ko`))
    expect(await node.run('load', flags)).toMatchObject({ status: 0 })
    expect(() => node.read(`tmp/${modulesPath}/secret.ko`)).toThrow('ENOENT')
    expect(() => node.read(`tmp/${modulesPath}/other.ko`)).toThrow('ENOENT')
    expect(node.logs.join('\n')).toMatch(/link \/opt\/.*secret\.ko .* is left out/)
  })

  it('does not make the worker read what is no file', async () => {
    mountExamples()
    const socket = createServer()
    await new Promise<void>((resolve) => socket.listen(node.path(`kmod-image/${modulesPath}/x`), resolve))
    const report = await node.run('load', flags)
    await new Promise((resolve) => socket.close(resolve))
    expect(report).toMatchObject({ status: 1, reason: 'ImageInvalid' })
    expect(report.message).toMatch(/demo:1 cannot be used: \/opt\/.*x is a device, a socket or a pipe/)
  })

  it('does not make the worker copy without end', async () => {
    mountExamples()
    mount(`${modulesPath}/huge.ko`, '')
    truncateSync(node.path(`kmod-image/${modulesPath}/huge.ko`), 2 ** 40)
    expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'ImageInvalid' })
  })

  it('does not make the worker follow links in a circle', async () => {
    mountExamples()
    symlinkSync('b', node.path('kmod-image/a'))
    symlinkSync('a', node.path('kmod-image/b'))
    node.configure({ containerImage: imageName(), modprobe: { moduleName: 'kmm_demo', dirName: '/a' } })
    expect(await node.run('load', flags)).toMatchObject({ status: 1, reason: 'ImageInvalid' })
  })
})

describe('an unload after such a load', () => {
  it('needs neither the mount nor a registry, also for firmware and raw command lines', async () => {
    mountExamples()
    mount('firmware/kmm/demo.bin', 'firmware')
    const rawArgs = { load: ['-vd', '/tmp/opt', 'kmm_demo'], unload: ['-rvd', '/tmp/opt', 'kmm_demo'] }
    node.configure({ containerImage: imageName(), modprobe: { dirName: '/opt', firmwarePath: '/firmware', rawArgs } })
    expect(await node.run('load', withFirmware)).toMatchObject({ status: 0 })
    rmSync(node.path('kmod-image'), { recursive: true })
    rmSync(node.path('tmp'), { recursive: true })
    mkdirSync(node.path('tmp'))
    const before = registry.requests.length
    const report = await node.run('unload', ['--firmware-path', '/lib/firmware'])
    expect(report).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(node.modprobeCalls.at(-1)).toEqual(rawArgs.unload)
    expect(() => node.read('lib/firmware/kmm/demo.bin')).toThrow('ENOENT')
    expect(node.loaded).toEqual([])
    expect(registry.requests).toHaveLength(before)
  })

  it('leaves the kernel’s own module of the same name, which it tells by the image’s', async () => {
    mountExamples()
    await node.run('load', flags)
    node.reboot()
    node.addModule('kmm_demo', { srcversion: 'INTREE' })
    expect((await node.run('unload')).message).toMatch(/kernel's own module and stays/)
  })

  it('goes by what the kernel knows where the node has lost its copy', async () => {
    mountExamples()
    await node.run('load', flags)
    rmSync(node.path('var/lib/kmm/cache'), { recursive: true })
    expect(await node.run('unload')).toMatchObject({ status: 0, reason: 'Unloaded' })
    expect(node.loaded).toEqual([])
  })
})

it('compares with the mounted image, not with one that was mounted before', async () => {
  mountExamples()
  await node.run('load', flags)
  rmSync(node.path('kmod-image'), { recursive: true })
  mountExamples('prebuilt-v2')
  const report = await node.run('load', flags)
  expect(report).toMatchObject({ status: 1, reason: 'OtherVersionLoaded' })
  expect(report.message).toContain(demoVersions.second)
})
