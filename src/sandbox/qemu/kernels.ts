import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeError, KmmError } from '../../errors/error.ts'
import { makeDisk } from './disk-image.ts'
import { provideFolder } from './provide.ts'
import { runTool } from './run-tool.ts'
import { extractKernel } from './vmlinux.ts'

/** A Debian kernel in the cache. */
export interface DebianKernel {
  /** `uname -r`. */
  release: string
  /** Everything of its package: `boot/`, `lib/modules/<release>/` with what depmod writes. */
  folder: string
  /** The compressed kernel, which firmware can start. */
  vmlinuz: string
  /** The same uncompressed, which QEMU starts some seconds faster; undefined where its compression is not known. */
  vmlinux: string | undefined
  /** A read-only file system whose root holds the folder `<release>`, to be seen as `/lib/modules`. */
  modulesDisk: string
}

/** Where what is slow to get is kept, and who is told that it takes a while. */
export interface CacheOptions {
  /** See `cacheFolder`. */
  cache: string
  progress?: (line: string) => void
  signal?: AbortSignal
}

/** True for what can be the name of a kernel release, and so of a package. */
export function isKernelRelease(text: string): boolean {
  return /^[0-9][A-Za-z0-9.+~-]*$/.test(text)
}

async function download(packageName: string, folder: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    // apt drops its privileges where the folder lets it; as another user it needs none.
    await runTool('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', packageName], {
      cwd: folder,
      ...(signal && { signal }),
    })
  } catch (error) {
    throw new KmmError(
      `Debian's package ${packageName} could not be downloaded: ${describeError(error)}. Run apt-get update, or scripts/install-test-tools.sh, and see with "apt-cache policy ${packageName}" that the distribution has it`,
      { code: 'ConfigurationInvalid', fate: 'terminal', cause: error },
    )
  }
  const file = (await readdir(folder)).find((name) => name.startsWith(`${packageName}_`) && name.endsWith('.deb'))
  if (file === undefined) throw new KmmError(`apt-get download ${packageName} left no package`, { code: 'Internal' })
  return join(folder, file)
}

async function unpack(packageName: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  const archives = join(folder, 'archives')
  await mkdir(archives)
  const archive = await download(packageName, archives, signal)
  await runTool('dpkg-deb', ['-x', archive, folder], signal && { signal })
  await rm(archives, { recursive: true })
}

async function makeKernel(release: string, folder: string, signal: AbortSignal | undefined): Promise<void> {
  await unpack(`linux-image-${release}`, folder, signal)
  // The package has no index: its scripts make one when it is installed.
  await runTool('depmod', ['-b', folder, release])
  const plain = await extractKernel(await readFile(join(folder, 'boot', `vmlinuz-${release}`)))
  if (plain !== undefined) await writeFile(join(folder, 'boot', `vmlinux-${release}`), plain)
  await makeDisk(join(folder, 'modules.img'), { tree: join(folder, 'lib/modules') })
}

function checkRelease(release: string): void {
  if (!isKernelRelease(release))
    throw new KmmError(`"${release}" is no kernel release: give what uname -r prints, such as 6.1.0-56-amd64`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
}

/** Fetches a stock Debian kernel with its modules into the cache, once. */
export async function provideKernel(release: string, options: CacheOptions): Promise<DebianKernel> {
  checkRelease(release)
  const folder = await provideFolder(join(options.cache, 'kernels', release), async (temporary) => {
    options.progress?.(`Fetching Debian's kernel ${release}, once …`)
    await makeKernel(release, temporary, options.signal)
  })
  const vmlinux = join(folder, 'boot', `vmlinux-${release}`)
  return {
    release,
    folder,
    vmlinuz: join(folder, 'boot', `vmlinuz-${release}`),
    vmlinux: existsSync(vmlinux) ? vmlinux : undefined,
    modulesDisk: join(folder, 'modules.img'),
  }
}

/** What is needed to compile modules for a kernel, and to sign them. */
export interface DebianHeaders {
  /** Has `usr/src/…`; the kernel's build folder is `build`. */
  folder: string
  /** To be given to `make -C`. */
  build: string
  /** `scripts/sign-file` of the same kernel series. */
  signFile: string
}

/** The common headers and the tools that a release's headers are built upon, as their package names them. */
async function listDependencies(release: string): Promise<string[]> {
  const text = (await runTool('apt-cache', ['show', '--no-all-versions', `linux-headers-${release}`])).toString()
  const depends = /^Depends: (.*)$/m.exec(text)?.[1] ?? ''
  const names = depends.split(',').map((each) => each.trim().split(/[ :]/)[0] ?? '')
  return names.filter((name) => /^linux-(headers|kbuild)-/.test(name))
}

/** Makes absolute links of Debian's packages lead into the folder where they are unpacked. */
async function relocate(unpacked: string, folder: string, release: string): Promise<void> {
  const makefile = join(unpacked, 'usr/src', `linux-headers-${release}`, 'Makefile')
  const text = await readFile(makefile, 'utf8')
  await writeFile(makefile, text.replaceAll(' /usr/src/', ` ${join(folder, 'usr/src')}/`))
}

/** Fetches the headers of a stock Debian kernel into the cache, once; needs gcc and make only where they are used. */
export async function provideHeaders(release: string, options: CacheOptions): Promise<DebianHeaders> {
  checkRelease(release)
  const folder = join(options.cache, 'kernels', `${release}-headers`)
  await provideFolder(folder, async (temporary) => {
    options.progress?.(`Fetching the headers of Debian's kernel ${release}, once …`)
    for (const name of [`linux-headers-${release}`, ...(await listDependencies(release))])
      await unpack(name, temporary, options.signal)
    await relocate(temporary, folder, release)
  })
  const build = join(folder, 'usr/src', `linux-headers-${release}`)
  return { folder, build, signFile: join(build, 'scripts/sign-file') }
}
