import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { BuiltBlob, BuiltImage } from '../../../src/oci/image-builder.ts'
import type { Descriptor } from '../../../src/oci/manifest.ts'
import { findProgram, fingerprint } from '../../../src/sandbox/qemu/guest-base.ts'
import type { CacheOptions } from '../../../src/sandbox/qemu/kernels.ts'
import { provideFolder } from '../../../src/sandbox/qemu/provide.ts'
import { describeMissing, runTool } from '../../../src/sandbox/qemu/run-tool.ts'

const recipes = 'deploy/images/worker'
const pauseRecipe = 'test/kernel/kubelet/guest/pause.Containerfile'

/** The image that machines have from the start; it is pinned as the one of pods' own containers. */
export const pauseImage = 'kmm.test/pause:1'
/** The worker's base, which machines have from the start as well. */
export const baseName = 'kmm.test/worker-base:1'

export const hash = (parts: unknown): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)

/** Runs buildah with a storage of its own, which goes when `use` has ended. */
export async function withBuildah(
  use: (run: (argv: readonly string[], cwd?: string) => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const storage = await mkdtemp(join(tmpdir(), 'kmm-buildah-'))
  const own = ['--root', join(storage, 'root'), '--runroot', join(storage, 'run')]
  try {
    await use((argv, cwd) => runTool('buildah', [...own, ...argv], cwd === undefined ? {} : { cwd }))
  } finally {
    await rm(storage, { recursive: true, force: true })
  }
}

function locateProgram(name: string): string {
  const found = findProgram(name, process.env['PATH'] ?? '')
  if (found === undefined) throw describeMissing([name])
  return found
}

/** Images in the cache that do not change with the worker. */
export interface BaseImages {
  /** OCI archives, to be imported by name into a machine's containerd. */
  archives: readonly string[]
  /** OCI layout of the worker's base. */
  base: string
  key: string
}

async function buildBase(folder: string, busybox: string): Promise<void> {
  const context = join(folder, 'context')
  await mkdir(context)
  const packages = (await readFile(join(recipes, 'packages.txt'), 'utf8')).split('\n').filter(Boolean)
  const root = join(context, 'root.tar')
  await runTool('mmdebstrap', ['--quiet', '--variant=extract', `--include=${packages.join(',')}`, 'bookworm', root])
  await copyFile(process.execPath, join(context, 'node'))
  await copyFile(busybox, join(context, 'busybox'))
  await withBuildah(async (buildah) => {
    const build = ['build', '--quiet', '--isolation', 'chroot', '-f']
    await buildah([...build, join(recipes, 'base.Containerfile'), '-t', baseName, context])
    await buildah([...build, pauseRecipe, '-t', pauseImage, context])
    await buildah(['push', '--quiet', baseName, `oci:${join(folder, 'base')}:${baseName}`])
    await buildah(['push', '--quiet', pauseImage, `oci-archive:${join(folder, 'pause.tar')}:${pauseImage}`])
  })
  await runTool('tar', ['-C', join(folder, 'base'), '-cf', join(folder, 'base.tar'), '.'])
  await rm(context, { recursive: true })
}

/** Makes the worker's base with mmdebstrap and buildah, and the pause image, once. */
export async function provideBaseImages(options: CacheOptions): Promise<BaseImages> {
  const files = [join(recipes, 'packages.txt'), join(recipes, 'base.Containerfile'), pauseRecipe]
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  for (const name of ['mmdebstrap', 'buildah']) locateProgram(name)
  const busybox = locateProgram('busybox')
  const key = hash([texts, fingerprint(process.execPath), fingerprint(busybox)])
  const folder = await provideFolder(join(options.cache, 'images', `base-${key}`), async (temporary) => {
    options.progress?.('making the base of the worker image, once …')
    await buildBase(temporary, busybox)
  })
  return { archives: [join(folder, 'pause.tar'), join(folder, 'base.tar')], base: join(folder, 'base'), key }
}

async function readBlob(layout: string, descriptor: Descriptor): Promise<BuiltBlob> {
  const path = join(layout, 'blobs', ...descriptor.digest.split(':'))
  return { descriptor, data: await readFile(path) }
}

/** Reads the only image of an OCI layout. */
export async function readLayout(layout: string): Promise<BuiltImage> {
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: [Descriptor] }
  const [descriptor] = index.manifests
  const { data: bytes } = await readBlob(layout, descriptor)
  const manifest = JSON.parse(bytes.toString()) as { config: Descriptor; layers: Descriptor[] }
  return {
    digest: descriptor.digest,
    manifest: { mediaType: descriptor.mediaType, bytes },
    config: await readBlob(layout, manifest.config),
    layers: await Promise.all(manifest.layers.map((layer) => readBlob(layout, layer))),
    platform: { os: 'linux', architecture: 'amd64' },
  }
}

/** The worker's image with `dist/worker.js` as it is now, made by buildah on its base. */
export async function provideWorkerImage(options: CacheOptions): Promise<BuiltImage> {
  const { base, key: baseKey } = await provideBaseImages(options)
  const recipe = join(recipes, 'Containerfile')
  const texts = await Promise.all([recipe, 'dist/worker.js'].map((file) => readFile(file, 'utf8')))
  const folder = await provideFolder(join(options.cache, 'images', `worker-${hash([baseKey, texts])}`), (temporary) =>
    withBuildah(async (buildah) => {
      const context = join(temporary, 'context')
      await mkdir(context)
      await copyFile('dist/worker.js', join(context, 'worker.js'))
      // buildah makes a name of the path, which may hold what names may not.
      await symlink(base, join(temporary, 'base'))
      const build = ['build', '--quiet', '--isolation', 'chroot', '--build-arg', `BASE=oci:base:${baseName}`]
      await buildah([...build, '-f', resolve(recipe), '-t', 'kmm-worker', 'context'], temporary)
      await buildah(['push', '--quiet', 'kmm-worker', `oci:${join(temporary, 'image')}:kmm-worker`])
    }),
  )
  return readLayout(join(folder, 'image'))
}
