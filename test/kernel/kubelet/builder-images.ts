import { copyFile, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { mediaTypes } from '../../../src/oci/media-types.ts'
import { assembleImage, type BuiltImage } from '../../../src/oci/image-builder.ts'
import { computeDigest } from '../../../src/oci/digest.ts'
import { fingerprint } from '../../../src/sandbox/qemu/guest-base.ts'
import type { CacheOptions } from '../../../src/sandbox/qemu/kernels.ts'
import { provideFolder } from '../../../src/sandbox/qemu/provide.ts'
import { runTool } from '../../../src/sandbox/qemu/run-tool.ts'
import { hash, readLayout, withBuildah } from './images.ts'

const recipes = 'deploy/images/builder'
const baseFiles = ['base.Containerfile', 'passwd', 'group', 'subuid', 'subgid']

/** The builder's base, which machines that build have from the start. */
export const builderBaseName = 'kmm.test/builder-base:1'

/** The builder's base, made by mmdebstrap and buildah, once. */
export async function provideBuilderBase(
  options: CacheOptions,
): Promise<{ archive: string; layout: string; key: string }> {
  const files = [...baseFiles, 'root.sh', 'packages.txt']
  const texts = await Promise.all(files.map((file) => readFile(join(recipes, file), 'utf8')))
  const key = hash([texts, fingerprint(process.execPath)])
  const folder = await provideFolder(join(options.cache, 'images', `builder-base-${key}`), async (temporary) => {
    options.progress?.('making the base of the builder image, once …')
    const context = join(temporary, 'context')
    await mkdir(context)
    await runTool(join(recipes, 'root.sh'), [join(context, 'root.tar')])
    await copyFile(process.execPath, join(context, 'node'))
    for (const file of baseFiles) await copyFile(join(recipes, file), join(context, file))
    await withBuildah(async (buildah) => {
      const recipe = join(context, 'base.Containerfile')
      await buildah(['build', '--quiet', '--isolation', 'chroot', '-f', recipe, '-t', builderBaseName, context])
      await buildah(['push', '--quiet', builderBaseName, `oci:${join(temporary, 'base')}:${builderBaseName}`])
    })
    await runTool('tar', ['-C', join(temporary, 'base'), '-cf', join(temporary, 'base.tar'), '.'])
    await rm(context, { recursive: true })
  })
  return { archive: join(folder, 'base.tar'), layout: join(folder, 'base'), key }
}

/** The builder's image with `dist/worker.js` as it is now, made by buildah on its base. */
export async function provideBuilderImage(options: CacheOptions): Promise<BuiltImage> {
  const { layout, key } = await provideBuilderBase(options)
  const recipe = join(recipes, 'Containerfile')
  const texts = await Promise.all([recipe, 'dist/worker.js'].map((file) => readFile(file, 'utf8')))
  const folder = await provideFolder(join(options.cache, 'images', `builder-${hash([key, texts])}`), (temporary) =>
    withBuildah(async (buildah) => {
      const context = join(temporary, 'context')
      await mkdir(context)
      await copyFile('dist/worker.js', join(context, 'worker.js'))
      await symlink(layout, join(temporary, 'base'))
      const build = ['build', '--quiet', '--isolation', 'chroot', '--build-arg', `BASE=oci:base:${builderBaseName}`]
      await buildah([...build, '-f', resolve(recipe), '-t', 'kmm-builder', 'context'], temporary)
      await buildah(['push', '--quiet', 'kmm-builder', `oci:${join(temporary, 'image')}:kmm-builder`])
    }),
  )
  return readLayout(join(folder, 'image'))
}

const compilerPackages = ['gcc', 'make', 'kmod', 'dash', 'coreutils', 'findutils', 'grep', 'sed', 'mawk', 'libc-bin']

const otherArchitectures = 'alpha arm arm64 ia64 m68k mips parisc powerpc riscv s390 sh sparc'.split(' ')
const otherHeaders = 'crypto drm dt-bindings media net pcmcia rdma scsi soc sound target trace video xen'.split(' ')

/** What compiling a small module for the stock kernel does not read: the less there is, the sooner a machine has copied it. */
const superfluous = [
  '/usr/share/*',
  '/usr/lib/gcc/*/lto*',
  '/usr/lib/gcc/*/plugin/*',
  '/usr/src/*/include/config/[A-Z]*',
  '/usr/src/*/include/linux/[b-zA-Z]*/*',
  '/usr/lib/gcc/*/include/avx*',
  '/usr/lib/gcc/*/lib*.a',
  '*/gconv/*',
  '*/ldscripts/*',
  '*/lib*san.*',
  '*gprofng*',
  '*/libmvec*',
  '*/libstdc++*',
  ...['lto-dump', 'gcov', 'gp-', 'cpp-12', 'dwp', 'ld.gold'].map((name) => `/usr/bin/*${name}*`),
  ...otherHeaders.map((name) => `/usr/src/*/include/${name}/*`),
  ...otherArchitectures.map((name) => `/usr/src/*/arch/${name}/*`),
]

/** What of it is read. */
const needed = 'byteorder device sched unaligned'.split(' ').map((name) => `/usr/src/*/include/linux/${name}/*`)

/** An image with a compiler and a stock kernel's headers, as users have it for their Dockerfiles; made once. */
export async function provideCompilerImage(release: string, options: CacheOptions): Promise<BuiltImage> {
  const key = hash([release, compilerPackages, superfluous, needed])
  const folder = await provideFolder(join(options.cache, 'images', `compiler-${key}`), async (temporary) => {
    options.progress?.(`making an image with a compiler and the headers of ${release}, once …`)
    const include = `--include=${[...compilerPackages, `linux-headers-${release}`].join(',')}`
    const exclude = superfluous.map((glob) => `--dpkgopt=path-exclude=${glob}`)
    const keep = needed.map((glob) => `--dpkgopt=path-include=${glob}`)
    const root = join(temporary, 'root.tar')
    // Nobody runs the package's script, which would make this link.
    const awk = '--extract-hook=ln -s mawk "$1/usr/bin/awk"'
    await runTool('mmdebstrap', ['--quiet', '--variant=extract', ...exclude, ...keep, include, awk, 'bookworm', root])
  })
  const data = await readFile(join(folder, 'root.tar'))
  const digest = computeDigest(data)
  // Not compressed: an emulated machine decompresses 2 MB a second.
  const layer = { descriptor: { mediaType: mediaTypes.layer, digest, size: data.length }, data }
  return assembleImage([layer], [digest])
}
