import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { makeDisk } from '../../../src/sandbox/qemu/disk-image.ts'
import { findProgram, fingerprint } from '../../../src/sandbox/qemu/guest-base.ts'
import type { CacheOptions } from '../../../src/sandbox/qemu/kernels.ts'
import { provideFolder } from '../../../src/sandbox/qemu/provide.ts'
import { describeMissing, runTool } from '../../../src/sandbox/qemu/run-tool.ts'
import { type ContainerdProgram, provideContainerd } from './containerd.ts'
import { provideBaseImages } from './images.ts'

const guestFolder = 'test/kernel/kubelet/guest'

/** Where the files of `guest/` go. */
const guestFiles: Readonly<Record<string, { to: string; mode?: number }>> = {
  'boot.sh': { to: 'etc/kmm-guest/boot.d/node', mode: 0o755 },
  'kmm-ptp.sh': { to: 'usr/lib/cni/kmm-ptp', mode: 0o755 },
  'containerd.toml': { to: 'etc/kmm-node/containerd.toml' },
  'cni.conflist': { to: 'etc/cni/net.d/10-kmm.conflist' },
  masquerade: { to: 'etc/kmm-node/masquerade' },
}

/** What the guest gets from this computer, besides what every machine has; busybox's own cp loses file capabilities. */
const hostPrograms = ['runc', 'cp', 'mount', 'umount', 'xtables-legacy-multi']
const networkPlugins = ['ptp', 'host-local', 'loopback'].map((name) => `/usr/lib/cni/${name}`)

function collectPrograms(): Map<string, string> {
  const programs = new Map<string, string>()
  const found = hostPrograms.map((name) => [name, findProgram(name, process.env['PATH'] ?? '')] as const)
  const missing = [
    ...found.filter(([, file]) => file === undefined).map(([name]) => name),
    ...networkPlugins.filter((file) => !existsSync(file)),
  ]
  if (missing.length > 0) throw describeMissing(missing)
  for (const [name, file = ''] of found) programs.set(`usr/bin/${name}`, file)
  for (const file of networkPlugins) programs.set(file.slice(1), file)
  return programs
}

/** The shared libraries and the loader of programs, from here to the same place below `usr`. */
async function listLibraries(files: Iterable<string>): Promise<Map<string, string>> {
  const libraries = new Map<string, string>()
  for (const file of files) {
    const printed = (await runTool('ldd', [file]).catch(() => Buffer.alloc(0))).toString()
    for (const [, path = ''] of printed.matchAll(/(?:=> )?(\/[^\s]+) \(0x/g))
      libraries.set(path.startsWith('/usr/') ? path.slice(1) : `usr${path}`, path)
  }
  return libraries
}

/** iptables' extensions are libraries of their own, which it looks up when a rule names them. */
async function listExtensions(libraries: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const folders = new Set([...libraries.keys()].map((path) => join('/', dirname(path), 'xtables')))
  const folder = [...folders].find((each) => existsSync(each))
  if (folder === undefined) throw describeMissing(['iptables'])
  const names = (await readdir(folder)).filter((name) => /^libxt_(DNAT|NAT|MASQUERADE|tcp)\.so$/.test(name))
  return new Map(names.map((name) => [join(folder, name).slice(1), join(folder, name)]))
}

/**
 * Has containerd import images into a folder that a machine's containerd then goes on with: unpacking them in an emulated
 * machine takes ten times as long.
 */
async function fillContainerd(
  programs: Record<ContainerdProgram, string>,
  root: string,
  archives: readonly string[],
): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new Error('nodes with a real kubelet need root: the images that they begin with are unpacked with mounts')
  const state = await mkdtemp(join(tmpdir(), 'kmm-containerd-'))
  const address = join(state, 'socket')
  const disabled = ['grpc.v1.cri', 'cri.v1.images', 'cri.v1.runtime', 'nri.v1.nri', 'internal.v1.opt']
  const configuration = [
    'version = 3',
    `root = ${JSON.stringify(root)}`,
    `state = ${JSON.stringify(join(state, 'state'))}`,
    `disabled_plugins = ${JSON.stringify(disabled.map((name) => `io.containerd.${name}`))}`,
    `grpc = { address = ${JSON.stringify(address)} }`,
    `ttrpc = { address = ${JSON.stringify(`${address}.ttrpc`)} }`,
  ]
  await writeFile(join(state, 'config.toml'), configuration.join('\n'))
  const child = spawn(programs.containerd, ['--config', join(state, 'config.toml'), '--log-level', 'error'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  try {
    for (let attempts = 0; !existsSync(address) && attempts < 200; attempts += 1) await sleep(50)
    for (const archive of archives)
      await runTool(programs.ctr, ['--address', address, '--namespace', 'k8s.io', 'images', 'import', archive])
  } finally {
    child.kill('SIGTERM')
    await ended
    await rm(state, { recursive: true, force: true })
  }
}

async function copyInto(tree: string, files: ReadonlyMap<string, string>): Promise<void> {
  for (const [to, from] of files) {
    await mkdir(dirname(join(tree, to)), { recursive: true })
    await copyFile(from, join(tree, to))
    await chmod(join(tree, to), 0o755)
  }
}

async function writeGuestFiles(tree: string): Promise<void> {
  for (const [name, { to, mode = 0o644 }] of Object.entries(guestFiles)) {
    await mkdir(dirname(join(tree, to)), { recursive: true })
    await cp(join(guestFolder, name), join(tree, to))
    await chmod(join(tree, to), mode)
  }
}

/** An image that a machine begins with, as an OCI archive. */
export interface NodeImage {
  archive: string
  /** Changes with what is in it. */
  key: string
}

/**
 * Makes the read-only disk that turns a machine into a node: the kubelet, containerd, runc, the network, and the images that
 * it begins with. Once for each kubelet and each base of the worker image.
 */
export async function provideNodeLayer(
  kubelet: string,
  more: readonly NodeImage[],
  options: CacheOptions,
): Promise<string> {
  const containerd = await provideContainerd(options)
  const images = await provideBaseImages(options)
  const programs = collectPrograms()
  programs.set('usr/bin/kubelet', kubelet)
  for (const [name, file] of Object.entries(containerd)) programs.set(`usr/bin/${name}`, file)
  const libraries = await listLibraries(programs.values())
  const extensions = await listExtensions(libraries)
  const all = new Map([...programs, ...libraries, ...extensions])
  const texts = await Promise.all(Object.keys(guestFiles).map((name) => readFile(join(guestFolder, name), 'utf8')))
  const content = [
    [...all].map(([to, from]) => [to, fingerprint(from)]),
    texts,
    guestFiles,
    images.key,
    ...more.map((image) => image.key),
  ]
  const key = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16)
  const folder = await provideFolder(join(options.cache, 'kubelet-node', key), async (temporary) => {
    options.progress?.('making the disk of nodes with a kubelet, once …')
    const tree = join(temporary, 'tree')
    await copyInto(tree, all)
    await writeGuestFiles(tree)
    const archives = [...images.archives, ...more.map(({ archive }) => archive)]
    await fillContainerd(containerd, join(tree, 'usr/share/kmm-node/containerd'), archives)
    await makeDisk(join(temporary, 'node.img'), { tree })
    await rm(tree, { recursive: true })
  })
  return join(folder, 'node.img')
}
