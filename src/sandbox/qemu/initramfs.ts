import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findLoadOrder, parseModulesBuiltin, parseModulesDep } from '../../kmod/dependencies.ts'
import { type ArchiveFile, buildCpio } from './cpio.ts'
import { containerScript, firstInit, nodeInit, wakeScript } from './guest-init.ts'
import type { DebianKernel } from './kernels.ts'

/** What the guest needs before it has its root, and to speak with its host; some load others only when they are used. */
const drivers = ['virtio_pci', 'virtio_blk', 'virtio_console', 'virtio_net', 'crc32c_generic', 'ext4', 'overlay']

/** The files of the drivers that are not part of the kernel itself, those that others need first. */
async function listDrivers(tree: string): Promise<string[]> {
  const builtin = parseModulesBuiltin(await readFile(join(tree, 'modules.builtin'), 'utf8'))
  const modules = parseModulesDep(await readFile(join(tree, 'modules.dep'), 'utf8'))
  const wanted = drivers.filter((name) => !builtin.has(name))
  const ordered = wanted.flatMap((name) => findLoadOrder(modules, name) ?? [])
  return [...new Set(ordered.map(({ path }) => path))]
}

/** The first file system of a machine: busybox, the drivers, the agent, and the scripts that bring the node up. */
export async function buildInitramfs(kernel: DebianKernel, busybox: string, agentProgram: string): Promise<Buffer> {
  const tree = join(kernel.folder, 'lib/modules', kernel.release)
  const paths = await listDrivers(tree)
  const named = await Promise.all(
    paths.map(async (path, index) => ({
      name: `${String(index).padStart(2, '0')}-${path.slice(path.lastIndexOf('/') + 1)}`,
      content: await readFile(join(tree, path)),
    })),
  )
  const text = (path: string, content: string, mode = 0o755): ArchiveFile => ({
    path,
    content: Buffer.from(content),
    mode,
  })
  return buildCpio([
    text('init', firstInit),
    { path: 'bin/busybox', content: await readFile(busybox), mode: 0o755 },
    ...named.map(({ name, content }) => ({ path: `drivers/${name}`, content })),
    text('drivers/order', named.map(({ name }) => `${name}\n`).join(''), 0o644),
    text('guest/init', nodeInit),
    text('guest/container.sh', containerScript),
    text('guest/wake.sh', wakeScript),
    { path: 'guest/agent.js', content: await readFile(agentProgram) },
  ])
}
