import { createHash, randomUUID } from 'node:crypto'
import { access, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDigest } from './digest.ts'
import { fileName, touch } from './layer-cache-blobs.ts'
import type { LayerDescriptor } from './layer-source.ts'
import { isRecord } from './text.ts'

/** An image as a namespace has pulled it before. */
export interface CachedImage {
  /** Digest of the image's manifest. */
  digest: string
  /** The lowest first. */
  layers: LayerDescriptor[]
}

const maxImages = 256
const maxRecordBytes = 1024 * 1024

/**
 * What one namespace has pulled itself: images by the name that it used, and layers. A layer that only another namespace
 * has pulled is as good as absent, for knowing a digest proves no right to the bytes.
 */
export class LayerCacheImages {
  readonly #images: string
  readonly #layers: string

  constructor(root: string, namespace: string) {
    this.#images = join(root, 'namespaces', namespace, 'images')
    this.#layers = join(root, 'namespaces', namespace, 'layers')
  }

  async prepare(): Promise<void> {
    for (const folder of [this.#images, this.#layers]) await mkdir(folder, { recursive: true, mode: 0o700 })
  }

  async mayRead(digest: string): Promise<boolean> {
    return access(join(this.#layers, fileName(digest))).then(
      () => true,
      () => false,
    )
  }

  async allow(digest: string): Promise<void> {
    await writeFile(join(this.#layers, fileName(digest)), '', { mode: 0o600 })
  }

  async find(key: string): Promise<CachedImage | undefined> {
    const path = join(this.#images, recordName(key))
    const text = await readFile(path, 'utf8').catch(() => '')
    const image = parseRecord(text, key)
    if (image) await touch(path)
    return image
  }

  async remember(key: string, image: CachedImage): Promise<void> {
    const path = join(this.#images, recordName(key))
    const temporary = `${path}.${randomUUID()}`
    const record = { v: 1, key, digest: image.digest, layers: image.layers }
    try {
      await writeFile(temporary, JSON.stringify(record), { mode: 0o600, flag: 'wx' })
      await rename(temporary, path)
    } finally {
      await rm(temporary, { force: true })
    }
    await this.#dropOldest()
  }

  async #dropOldest(): Promise<void> {
    const names = await readdir(this.#images)
    if (names.length <= maxImages) return
    const dated = await Promise.all(
      names.map(async (name) => ({
        name,
        at: (await stat(join(this.#images, name)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    )
    const oldest = dated.sort((a, b) => a.at - b.at).slice(0, names.length - maxImages)
    for (const { name } of oldest) await rm(join(this.#images, name), { force: true })
  }
}

const recordName = (key: string): string => createHash('sha256').update(key).digest('hex')

function parseRecord(text: string, key: string): CachedImage | undefined {
  const value = text.length > maxRecordBytes ? undefined : parseJson(text)
  if (!isRecord(value) || value['v'] !== 1 || value['key'] !== key) return undefined
  const { digest, layers } = value
  if (typeof digest !== 'string' || !isDigest(digest) || !Array.isArray(layers)) return undefined
  const parsed = layers.flatMap(parseLayer)
  return parsed.length === layers.length ? { digest, layers: parsed } : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseLayer(value: unknown): LayerDescriptor[] {
  if (!isRecord(value)) return []
  const { mediaType, digest, size } = value
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return []
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? [{ mediaType, digest, size }] : []
}
