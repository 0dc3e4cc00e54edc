import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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
  modules: readonly Omit<ModuleFileInput, 'release'>[],
  others: readonly TreeModule[] = [],
): Promise<string> {
  const own = modules.map((module) => ({ path: `${module.name}.ko`, name: module.name, depends: module.depends ?? [] }))
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

describe('a module file that is none', () => {
  it('is the reason ImageInvalid, with its name', async () => {
    const entries = [{ name: `${tree}/mod_a.ko`, content: 'no ELF' }]
    const { image } = await registry.push({ repository: 'broken', tag: '1', layers: [{ entries }] })
    const report = await run('load', image, { moduleName: 'mod_a' })
    expect(report).toMatchObject({ reason: 'ImageInvalid', outcome: 'failed' })
    expect(report?.message).toMatch(/The image's mod_a.ko cannot be used/)
  })
})
