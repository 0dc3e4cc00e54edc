import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { KmmError } from '../errors/error.ts'
import { computeDigest } from './digest.ts'
import type { Descriptor, Platform } from './manifest.ts'
import { mediaTypes } from './media-types.ts'

/** One file or symbolic link of an image. `mode` defaults to 0644. */
export interface ImageFile {
  data?: Uint8Array | string
  mode?: number
  /** Makes the entry a symbolic link to this. */
  linkname?: string
}

/** A blob in memory with its descriptor. */
export interface BuiltBlob {
  descriptor: Descriptor
  data: Buffer
}

/** An image in memory, ready to be pushed. `digest` is that of its manifest. */
export interface BuiltImage {
  digest: string
  manifest: { mediaType: string; bytes: Buffer }
  config: BuiltBlob
  layers: BuiltBlob[]
  platform: Platform
}

/** An index over images, ready to be pushed. */
export interface BuiltIndex {
  digest: string
  manifest: { mediaType: string; bytes: Buffer }
  images: BuiltImage[]
}

/** What an image is made of: files by path, without a leading slash. */
export interface ImageContent {
  files: Readonly<Record<string, ImageFile>>
  /** `amd64` unless said otherwise. */
  architecture?: string
  variant?: string
  labels?: Readonly<Record<string, string>>
}

// One date for everything: the same files make the same digest.
const epoch = new Date(0)

function listFolders(paths: readonly string[]): string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    const parts = path.split('/').slice(0, -1)
    for (const [index] of parts.entries()) folders.add(parts.slice(0, index + 1).join('/'))
  }
  return [...folders]
}

/** Packs files as a tar archive: folders first made, everything owned by root, sorted by path. Throws ImageInvalid for bad paths. */
export async function packTar(files: Readonly<Record<string, ImageFile>>): Promise<Buffer> {
  const archive = pack()
  const paths = Object.keys(files).toSorted()
  const wrong = paths.find((path) => path.split('/').some((part) => part === '' || part === '.' || part === '..'))
  if (wrong !== undefined)
    throw new KmmError(`"${wrong}" cannot be a path in an image: write it from the root, without a leading "/"`, {
      code: 'ImageInvalid',
      fate: 'terminal',
    })
  for (const folder of listFolders(paths).toSorted())
    archive.entry({ name: `${folder}/`, type: 'directory', mode: 0o755, mtime: epoch })
  for (const path of paths) {
    const { data = '', mode = 0o644, linkname } = files[path] ?? {}
    if (linkname !== undefined) archive.entry({ name: path, type: 'symlink', linkname, mode: 0o777, mtime: epoch })
    else archive.entry({ name: path, mode, mtime: epoch }, Buffer.from(data))
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function describe(mediaType: string, data: Buffer): BuiltBlob {
  return { data, descriptor: { mediaType, digest: computeDigest(data), size: data.length } }
}

function encode(document: unknown): Buffer {
  return Buffer.from(JSON.stringify(document))
}

/** Puts packed layers, the lowest first, together to an image; `diffIds` are the digests of the unpacked archives. */
export function assembleImage(
  layers: BuiltBlob[],
  diffIds: readonly string[],
  content: Omit<ImageContent, 'files'> = {},
): BuiltImage {
  const { architecture = 'amd64', variant, labels } = content
  const platform = { os: 'linux', architecture, ...(variant === undefined ? {} : { variant }) }
  const configuration = {
    ...platform,
    config: labels ? { Labels: labels } : {},
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: layers.map(() => ({ created: epoch.toISOString(), created_by: 'kmm' })),
    created: epoch.toISOString(),
  }
  const config = describe(mediaTypes.config, encode(configuration))
  const bytes = encode({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
  })
  return { digest: computeDigest(bytes), manifest: { mediaType: mediaTypes.manifest, bytes }, config, layers, platform }
}

/** Builds an image of one gzip layer from files. The same content gives the same digest. */
export async function buildImage(content: ImageContent): Promise<BuiltImage> {
  const archive = await packTar(content.files)
  const layer = describe(mediaTypes.layerGzip, await promisify(gzip)(archive))
  return assembleImage([layer], [computeDigest(archive)], content)
}

/** Builds an index that offers each image for its platform. */
export function buildIndex(images: BuiltImage[]): BuiltIndex {
  const manifests = images.map(({ digest, manifest, platform }) => ({
    mediaType: manifest.mediaType,
    digest,
    size: manifest.bytes.length,
    platform,
  }))
  const bytes = encode({ schemaVersion: 2, mediaType: mediaTypes.index, manifests })
  return { digest: computeDigest(bytes), manifest: { mediaType: mediaTypes.index, bytes }, images }
}
