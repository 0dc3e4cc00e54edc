import { createHash } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { makeDisk } from './disk-image.ts'
import type { CacheOptions } from './kernels.ts'
import { provideFolder } from './provide.ts'
import { describeMissing, runTool } from './run-tool.ts'

/** Raised when the guest's base changes in another way than by the programs that are copied into it. */
const version = 1

const searched = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/local/bin']

/** Looks a program up as a shell would, with the folders of system programs besides. */
export function findProgram(name: string, path: string): string | undefined {
  const folders = [...path.split(delimiter).filter(Boolean), ...searched]
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/** The programs that the guest gets from this machine, and the names under which each is found there. */
const programNames: Readonly<Record<string, readonly string[]>> = {
  busybox: ['bin/busybox'],
  kmod: ['bin/kmod'],
  dash: ['bin/dash', 'bin/sh'],
  setpriv: ['bin/setpriv'],
}
const kmodNames = ['modprobe', 'insmod', 'rmmod', 'lsmod', 'modinfo', 'depmod']
/** Names of busybox's that others have: it would prefer its own. */
const otherNames = new Set([...kmodNames, 'sh', 'ash', 'bash', 'busybox', 'setpriv', 'init', 'linuxrc'])

interface BaseParts {
  /** From a path in the guest to a file here. */
  files: ReadonlyMap<string, string>
  busybox: string
}

/** The shared libraries and the loader that a program links. */
async function listLibraries(program: string): Promise<string[]> {
  // ldd fails for programs that link nothing.
  const printed = await runTool('ldd', [program]).catch(() => Buffer.alloc(0))
  const paths = printed.toString().matchAll(/(?:=> )?(\/[^\s]+) \(0x/g)
  return [...paths].map((match) => match[1] ?? '')
}

async function collectParts(path: string): Promise<BaseParts> {
  const found = Object.keys(programNames).map((name) => [name, findProgram(name, path)] as const)
  const missing = found.filter(([, file]) => file === undefined).map(([name]) => name)
  if (missing.length > 0) throw describeMissing(missing)
  const files = new Map<string, string>()
  for (const [name, file = ''] of found) files.set(programNames[name]?.[0] ?? '', file)
  files.set('bin/node', process.execPath)
  const libraries = await Promise.all(Array.from(files.values(), listLibraries))
  for (const library of libraries.flat()) files.set(library.slice(1), library)
  return { files, busybox: files.get('bin/busybox') ?? '' }
}

/** Names a file's content by what changes whenever it does; reading a hundred megabytes at each start would take too long. */
export function fingerprint(file: string): string {
  const { size, mtimeMs } = statSync(realpathSync(file))
  return `${realpathSync(file)} ${size} ${mtimeMs}`
}

const texts: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/hosts': '127.0.0.1 localhost\n::1 localhost\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
}
const folders = ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'mnt', 'opt', 'host', 'etc/modprobe.d', 'etc/depmod.d']
const moreFolders = ['usr/lib/modules', 'usr/lib/firmware', 'usr/lib64', 'usr/bin', 'var/lib', 'var/log', 'var/tmp']

/** Debian's file system as it is since it was merged: programs and libraries below usr. */
async function layOut(tree: string): Promise<void> {
  for (const folder of [...folders, ...moreFolders]) await mkdir(join(tree, folder), { recursive: true })
  await chmod(join(tree, 'tmp'), 0o1777)
  await symlink('bin', join(tree, 'usr/sbin'))
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) await symlink(`usr/${name}`, join(tree, name))
  for (const [path, text] of Object.entries(texts)) await writeFile(join(tree, path), text)
}

async function fill(tree: string, { files, busybox }: BaseParts): Promise<void> {
  await layOut(tree)
  for (const [path, file] of files) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await copyFile(file, join(tree, path))
    await chmod(join(tree, path), 0o755)
  }
  await symlink('dash', join(tree, 'bin/sh'))
  for (const name of kmodNames) await symlink('kmod', join(tree, 'bin', name))
  const applets = (await runTool(busybox, ['--list'])).toString().split('\n').filter(Boolean)
  for (const name of applets.filter((each) => !otherNames.has(each)))
    if (!existsSync(join(tree, 'bin', name))) await symlink('busybox', join(tree, 'bin', name))
}

/** The read-only root that all machines share: what is needed to run Node.js and the real modprobe. */
export interface GuestBase {
  /** An ext4 file system. */
  disk: string
  /** The static busybox that it was made with. */
  busybox: string
}

/** Makes the guest's root from this machine's busybox, kmod, dash, setpriv and Node.js with the libraries they link, once. */
export async function provideGuestBase(path: string, options: CacheOptions): Promise<GuestBase> {
  const parts = await collectParts(path)
  const content = [...parts.files].map(([to, from]) => `${to} ${fingerprint(from)}`).sort()
  const key = createHash('sha256')
    .update(JSON.stringify([version, content, texts]))
    .digest('hex')
    .slice(0, 16)
  const folder = await provideFolder(join(options.cache, 'guest-base', key), async (temporary) => {
    options.progress?.('Making the file system of the machines, once …')
    const tree = join(temporary, 'tree')
    await mkdir(tree)
    await fill(tree, parts)
    await makeDisk(join(temporary, 'base.img'), { tree })
    await rm(tree, { recursive: true })
  })
  return { disk: join(folder, 'base.img'), busybox: parts.busybox }
}
