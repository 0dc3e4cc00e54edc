import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { ModprobeSpec } from '../api/module-parts.ts'
import { parseWorkerReport, type WorkerReport } from '../api/worker-report.ts'
import { formatSoftdeps } from '../kmod/softdep.ts'
import { buildModuleTreeFiles, type TreeModule } from '../sandbox/kernel/depmod.ts'
import { buildModuleFile, type ModuleFileInput } from '../sandbox/kernel/module-file.ts'
import { VirtualKernel } from '../sandbox/kernel/virtual-kernel.ts'
import { writeModprobeLauncher } from '../sandbox/modprobe/launcher.ts'
import { containerFile } from '../sandbox/modprobe/session.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'
import type { LayerEntry } from '../sandbox/registry/types.ts'
import { runWorker } from './program.ts'

// The worker with the virtual kernel, and the modprobe of virtual nodes as a process of its own.

const release = '6.1.0-56-amd64'
const tree = `opt/lib/modules/${release}`

let folder: string
let root: string
let kernel: VirtualKernel
let registry: SandboxRegistry
let logs: string[]
beforeEach(async () => {
  logs = []
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'kmm-virtual-')))
  kernel = new VirtualKernel({ nodeRoot: join(folder, 'node'), release })
  root = join(folder, 'container')
  for (const path of ['dev', 'tmp', 'host/lib', 'lib', 'var/lib/kmm/cache']) {
    mkdirSync(join(root, path), { recursive: true })
  }
  symlinkSync(join(kernel.nodeRoot, 'sys'), join(root, 'sys'))
  for (const path of ['lib/modules', 'host/lib/modules']) {
    symlinkSync(join(kernel.nodeRoot, 'lib/modules'), join(root, path))
  }
  writeFileSync(join(root, containerFile), JSON.stringify({ capabilities: ['SYS_MODULE'], privileged: false }))
  write('etc/kmm-worker/namespace', 'team-a')
  await writeModprobeLauncher(join(folder, 'modprobe'), join(process.cwd(), 'dist/modprobe-sandbox.js'))
  registry = await startRegistry()
})
afterEach(async () => {
  await registry.stop()
  rmSync(folder, { recursive: true })
})

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

/** Pushes an image with these modules, indexed together with what the tree has besides. */
async function push(
  modules: readonly (Omit<ModuleFileInput, 'release'> & Pick<TreeModule, 'softdep'>)[],
  others: readonly TreeModule[] = [],
): Promise<string> {
  const own = modules.map(({ name, depends = [], softdep }) => ({
    path: `${name}.ko`,
    name,
    depends,
    ...(softdep === undefined ? {} : { softdep }),
  }))
  const index = Object.entries(buildModuleTreeFiles([...own, ...others]))
  const entries: LayerEntry[] = [
    ...modules.map((module) => ({
      name: `${tree}/${module.name}.ko`,
      content: buildModuleFile({ ...module, release }),
    })),
    ...index.map(([name, content]) => ({ name: `${tree}/${name}`, content })),
    { name: `${tree}/host`, type: 'symlink', linkname: `/lib/modules/${release}` },
  ]
  return (await registry.push({ repository: 'image', tag: '1', layers: [{ entries }] })).image
}

interface Wanted extends ModprobeSpec {
  inTreeModulesToRemove?: string[]
}

async function run(
  action: 'load' | 'unload',
  containerImage: string,
  wanted: Wanted,
): Promise<WorkerReport | undefined> {
  const { inTreeModulesToRemove = [], ...modprobe } = wanted
  const config = {
    containerImage,
    kernelVersion: release,
    insecurePull: false,
    registryTLS: { insecure: true },
    inTreeModulesToRemove,
  }
  write('etc/kmm-worker/config.yaml', stringify({ ...config, imagePullPolicy: 'IfNotPresent', modprobe }))
  await runWorker(['kmod', action, '/etc/kmm-worker/config.yaml'], {
    host: {
      root,
      kernelRelease: kernel.release,
      bootId: kernel.bootId,
      modprobePath: join(folder, 'modprobe'),
      architecture: 'amd64',
      modprobeEnvironment: { KMM_NODE_ROOT: root, KMM_KERNEL_RELEASE: release },
    },
    log: (line) => logs.push(line),
    signal: new AbortController().signal,
    registry: { retries: { attempts: 1 } },
  })
  return parseWorkerReport(readFileSync(join(root, 'dev/termination-log'), 'utf8'))
}

const loadedNames = (): string[] => kernel.loadedModules().map((module) => module.name)

describe('the mission’s in-tree example', () => {
  const wanted: Wanted = { moduleName: 'mod_a', inTreeModulesToRemove: ['mod_a', 'mod_b'] }

  it('replaces the in-tree modules once, and never touches the module again', async () => {
    kernel.insertInTree('mod_a', { srcversion: 'INTREEA' })
    kernel.insertInTree('mod_b', { srcversion: 'INTREEB' })
    const image = await push([{ name: 'mod_a', srcversion: 'OURS' }])
    expect(await run('load', image, wanted), logs.join('\n')).toMatchObject({ reason: 'Loaded', alreadyLoaded: false })
    expect(loadedNames()).toEqual(['mod_a'])
    const events = kernel.history.length
    expect(await run('load', image, wanted)).toMatchObject({ reason: 'Loaded', alreadyLoaded: true })
    expect(kernel.history).toHaveLength(events)
    expect(kernel.loadedModules()).toMatchObject([{ name: 'mod_a', srcversion: 'OURS' }])
    expect(await run('unload', image, wanted)).toMatchObject({ reason: 'Unloaded' })
    expect(loadedNames()).toEqual([])
  })
})

describe('a loading order', () => {
  const order = ['mod_a', 'mod_b', 'mod_c']
  const wanted: Wanted = { moduleName: 'mod_a', modulesLoadingOrder: order }

  it('loads from the last to the first and unloads from the first to the last', async () => {
    const image = await push(order.map((name) => ({ name, srcversion: name.toUpperCase() })))
    write('etc/modprobe.d/softdep.conf', formatSoftdeps(order))
    expect(await run('load', image, wanted), logs.join('\n')).toMatchObject({ reason: 'Loaded' })
    expect(kernel.history.map((event) => event.module)).toEqual(['mod_c', 'mod_b', 'mod_a'])
    expect(await run('load', image, wanted)).toMatchObject({ alreadyLoaded: true })
    expect(await run('unload', image, wanted)).toMatchObject({ reason: 'Unloaded', modules: [] })
    expect(kernel.history.slice(3).map((event) => event.module)).toEqual(order)
  })

  it('says which of its modules modprobe left out', async () => {
    const image = await push([{ name: 'mod_a', srcversion: 'A' }])
    write('etc/modprobe.d/softdep.conf', formatSoftdeps(order))
    const report = await run('load', image, wanted)
    expect(report).toMatchObject({ reason: 'Loaded', modules: [{ name: 'mod_a' }] })
    expect(report?.message).toMatch(/mod_b is not among the loaded modules/)
  })
})

describe('in-tree modules that an image links to', () => {
  it('are loaded from the host', async () => {
    kernel.addInTree('host_dep')
    const path = 'host/kernel/drivers/misc/host_dep.ko'
    const image = await push([{ name: 'mod_a', srcversion: 'A', depends: ['host_dep'] }], [{ path, name: 'host_dep' }])
    const report = await run('load', image, { moduleName: 'mod_a' })
    expect(report, logs.join('\n')).toMatchObject({ reason: 'Loaded' })
    expect(loadedNames()).toEqual(['host_dep', 'mod_a'])
  })
})

describe('an unload whose image is gone from registry and node', () => {
  it('removes the module and what only it used, and leaves the kernel’s own modules', async () => {
    kernel.insertInTree('in_tree')
    const image = await push([
      { name: 'mod_a', srcversion: 'A', depends: ['mod_b'] },
      { name: 'mod_b', srcversion: 'B' },
    ])
    expect((await run('load', image, { moduleName: 'mod_a' }))?.reason).toBe('Loaded')
    rmSync(join(root, 'var/lib/kmm/cache'), { recursive: true })
    await registry.stop()
    expect(await run('unload', image, { moduleName: 'mod_a' }), logs.join('\n')).toMatchObject({ reason: 'Unloaded' })
    expect(loadedNames()).toEqual(['in_tree'])
  })

  it('says who uses a module that is in use', async () => {
    const image = await push([{ name: 'mod_a', srcversion: 'A' }])
    await run('load', image, { moduleName: 'mod_a' })
    kernel.setInUse('mod_a', 'user_x')
    rmSync(join(root, 'var/lib/kmm/cache'), { recursive: true })
    await registry.stop()
    const report = await run('unload', image, { moduleName: 'mod_a' })
    expect(report).toMatchObject({ reason: 'ModuleInUse' })
    expect(report?.message).toContain('user_x')
  })
})

describe('what other Modules ask for', () => {
  const stack = [
    { name: 'top', srcversion: 'T', depends: ['base', 'own'] },
    { name: 'base', srcversion: 'B' },
    { name: 'own', srcversion: 'O' },
  ]
  const removals = (): string[] =>
    kernel.history.filter(({ action }) => action === 'remove').map((event) => event.module)
  const spare = (...names: string[]): void =>
    write('etc/kmm-worker/spared-modules', names.map((name) => `${name}\n`).join(''))

  it('goes with the last that used it where nobody asks for it', async () => {
    const image = await push(stack)
    await run('load', image, { moduleName: 'top' })
    spare('other')
    expect(await run('unload', image, { moduleName: 'top' })).toMatchObject({ reason: 'Unloaded' })
    expect(loadedNames()).toEqual([])
    expect(existsSync(join(root, 'tmp', tree, '../.kmm-whole-6.1.0-56-amd64'))).toBe(false)
  })

  it('stays when the last that used it is unloaded, and what nobody asks for goes', async () => {
    const image = await push(stack)
    await run('load', image, { moduleName: 'top' })
    spare('base', 'other')
    expect(await run('unload', image, { moduleName: 'top' }), logs.join('\n')).toMatchObject({
      reason: 'Unloaded',
      message: 'top is unloaded',
    })
    expect(loadedNames()).toEqual(['base'])
    expect(logs).toContain('Running: modprobe -rvd /tmp/opt top')
    expect(logs).toContain('base is not removed along with top: another Module asks for it.')
    expect(logs).toContain('modprobe: rmmod own')
  })

  it('stays also where no image is at hand', async () => {
    const image = await push(stack)
    await run('load', image, { moduleName: 'top' })
    spare('base')
    rmSync(join(root, 'var/lib/kmm/cache'), { recursive: true })
    await registry.stop()
    expect(await run('unload', image, { moduleName: 'top' }), logs.join('\n')).toMatchObject({ reason: 'Unloaded' })
    expect(loadedNames()).toEqual(['base'])
  })

  it('stays when it is a soft dependency, and the others of these go with what they need', async () => {
    const softdep = 'pre: soft base post: late'
    const image = await push([
      { name: 'top', srcversion: 'T', softdep },
      { name: 'soft', srcversion: 'S', depends: ['own'] },
      { name: 'late', srcversion: 'L', depends: ['deep'] },
      { name: 'base', srcversion: 'B' },
      { name: 'own', srcversion: 'O' },
      { name: 'deep', srcversion: 'D' },
    ])
    await run('load', image, { moduleName: 'top' })
    expect(loadedNames().sort()).toEqual(['base', 'deep', 'late', 'own', 'soft', 'top'])
    spare('base', 'deep')
    expect(await run('unload', image, { moduleName: 'top' }), logs.join('\n')).toMatchObject({ reason: 'Unloaded' })
    expect(loadedNames().sort()).toEqual(['base', 'deep'])
    expect(removals()).toEqual(['late', 'top', 'soft', 'own'])
  })

  it('does not keep what the Module asks for itself, and says who uses that', async () => {
    const image = await push(stack)
    await run('load', image, { moduleName: 'top' })
    spare('top')
    const report = await run('unload', image, { moduleName: 'base' })
    expect(report).toMatchObject({ reason: 'ModuleInUse' })
    expect(report?.message).toContain('in use by top')
    expect(loadedNames().sort()).toEqual(['base', 'own', 'top'])
  })

  it('is taken along by a raw command line, and the report says so', async () => {
    const image = await push(stack)
    spare('base')
    const rawArgs = { load: ['-d', '/tmp/opt', 'top'], unload: ['-rd', '/tmp/opt', 'top'] }
    await run('load', image, { rawArgs })
    const report = await run('unload', image, { rawArgs })
    expect(report?.message).toMatch(/is unloaded; base has left the kernel as well, which another Module/)
    expect(loadedNames()).toEqual([])
  })

  it('goes where the Module removes what uses its own, and the log says so', async () => {
    const image = await push(stack)
    await run('load', image, { moduleName: 'top' })
    spare('top')
    await run('unload', image, { moduleName: 'base', args: { load: ['-v'], unload: ['--remove-holders'] } })
    expect(loadedNames()).toEqual([])
    expect(logs.join('\n')).toContain('Warning: top has left the kernel as well, which another Module')
  })

  it('stays when in-tree modules that used it are replaced', async () => {
    for (const name of ['base', 'own']) kernel.addInTree(name)
    kernel.addInTree('top', { depends: ['base', 'own'] })
    for (const name of ['base', 'own']) kernel.insertInTree(name)
    kernel.insertInTree('top')
    const image = await push([{ name: 'top', srcversion: 'OURS' }])
    spare('base')
    const wanted = { moduleName: 'top', inTreeModulesToRemove: ['top'] }
    expect(await run('load', image, wanted), logs.join('\n')).toMatchObject({ reason: 'Loaded' })
    expect(removals()).toEqual(['top', 'own'])
    expect(loadedNames().sort()).toEqual(['base', 'top'])
    expect(logs).toContain('Running: modprobe -rvd /tmp/.kmm-in-tree top')
  })

  it('goes where the Module lists it for removal, and the report says so', async () => {
    for (const name of ['base', 'mine']) kernel.insertInTree(name)
    const image = await push([{ name: 'top', srcversion: 'OURS' }])
    spare('base')
    const report = await run('load', image, { moduleName: 'top', inTreeModulesToRemove: ['base'] })
    expect(report?.message).toBe(
      'top is loaded; base has left the kernel as well, which another Module on this node asks for',
    )
    expect(logs).toContain('Running: modprobe -rv base')
  })
})

describe('a module file that is none', () => {
  it('is the reason ImageInvalid, with its name', async () => {
    const entries = [{ name: `${tree}/mod_a.ko`, content: 'no ELF' }]
    const { image } = await registry.push({ repository: 'broken', tag: '1', layers: [{ entries }] })
    const report = await run('load', image, { moduleName: 'mod_a' })
    expect(report).toMatchObject({ reason: 'ImageInvalid', outcome: 'failed' })
    expect(report?.message).toMatch(/The image's mod_a.ko cannot be used/)
  })
})
