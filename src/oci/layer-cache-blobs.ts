import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { isDigest } from './digest.ts'
import type { LayerDescriptor } from './layer-source.ts'
import { verifyLayer } from './layer-verify.ts'

/** Downloads that a killed worker has left are removed after this time without a write. */
const abandonedMs = 10 * 60 * 1000

/** The verified layers on a node's disk, one file a digest; the time of last use is the file's modification time. */
export class LayerCacheBlobs {
  readonly #root: string
  readonly #budgetBytes: number
  /** Layers of the image at hand: not evicted to make room for each other. */
  readonly #pinned = new Set<string>()
  #damaged = 0

  constructor(root: string, budgetBytes: number) {
    this.#root = root
    this.#budgetBytes = budgetBytes
  }

  /** How many damaged layers were found and removed. */
  get damaged(): number {
    return this.#damaged
  }

  async prepare(): Promise<void> {
    for (const folder of ['blobs', 'downloads', 'locks'])
      await mkdir(join(this.#root, folder), { recursive: true, mode: 0o700 })
    for (const folder of ['downloads', 'locks']) await this.#removeAbandoned(folder)
  }

  lockPath(digest: string): string {
    return join(this.#root, 'locks', fileName(digest))
  }

  async has(descriptor: LayerDescriptor): Promise<boolean> {
    return stat(this.#path(descriptor.digest)).then(
      (found) => found.isFile(),
      () => false,
    )
  }

  /** Opens a layer for reading, verified as it is read; a damaged one is removed. Undefined when it is not there. */
  async open(descriptor: LayerDescriptor): Promise<Readable | undefined> {
    this.#pinned.add(fileName(descriptor.digest))
    const path = this.#path(descriptor.digest)
    // oxlint-disable-next-line no-bitwise
    const handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined)
    if (handle === undefined) return undefined
    await touch(path)
    return verifyLayer(
      handle.createReadStream({ highWaterMark: 64 * 1024 }),
      descriptor,
      'the node’s cache',
      async () => {
        this.#damaged += 1
        await rm(path, { force: true })
      },
    )
  }

  /** True when a layer of this size may be kept at all. */
  fits(descriptor: LayerDescriptor): boolean {
    return descriptor.size <= this.#budgetBytes
  }

  /** Writes a verified stream to a temporary file, and gives it its name when all of it is there. */
  async store(descriptor: LayerDescriptor, source: Readable): Promise<void> {
    this.#pinned.add(fileName(descriptor.digest))
    source.on('error', () => {}) // It may fail before it is read; reading it then fails with the same.
    await this.#makeRoom(descriptor.size)
    const download = join(this.#root, 'downloads', randomUUID())
    try {
      const handle = await open(download, 'wx', 0o600)
      try {
        for await (const chunk of source as AsyncIterable<Buffer>) await handle.write(chunk)
      } finally {
        await handle.close()
      }
      await rename(download, this.#path(descriptor.digest))
    } finally {
      source.destroy()
      await rm(download, { force: true })
    }
  }

  #path(digest: string): string {
    return join(this.#root, 'blobs', fileName(digest))
  }

  /** Evicts the least recently used layers until `bytes` more stay within the budget. */
  async #makeRoom(bytes: number): Promise<void> {
    const blobs = await this.#list()
    let total = blobs.reduce((sum, blob) => sum + blob.size, bytes)
    for (const blob of blobs.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= this.#budgetBytes) return
      if (this.#pinned.has(blob.name)) continue
      await rm(join(this.#root, 'blobs', blob.name), { force: true })
      total -= blob.size
    }
  }

  async #list(): Promise<{ name: string; size: number; usedAt: number }[]> {
    const names = await readdir(join(this.#root, 'blobs'))
    const found = await Promise.all(
      names.map(async (name) => {
        const info = await stat(join(this.#root, 'blobs', name)).catch(() => undefined)
        return info === undefined ? [] : [{ name, size: info.size, usedAt: info.mtimeMs }]
      }),
    )
    return found.flat()
  }

  async #removeAbandoned(folder: string): Promise<void> {
    for (const name of await readdir(join(this.#root, folder))) {
      const path = join(this.#root, folder, name)
      const info = await stat(path).catch(() => undefined)
      if (info && info.mtimeMs < Date.now() - abandonedMs) await rm(path, { force: true })
    }
  }
}

/** A digest as a file name: `sha256-<hex>`. */
export function fileName(digest: string): string {
  if (!isDigest(digest)) throw new TypeError('a digest that was never checked')
  return digest.replace(':', '-')
}

/** Marks a file as used now. */
export async function touch(path: string): Promise<void> {
  const now = new Date()
  await utimes(path, now, now).catch(() => {})
}
