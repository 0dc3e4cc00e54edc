import { createHash, randomUUID, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RegistryRefusal } from './respond.ts'

/** What addresses bytes, how many they are. */
export interface StoredBlob {
  digest: string
  size: number
}

interface Upload {
  path: string
  repository: string
  size: number
  hashes: Record<string, Hash>
}

const algorithms = ['sha256', 'sha512'] as const
const digestPattern = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/

/** `sha256:…` of bytes. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** Refuses a text that is not a digest. */
export function requireDigest(text: string): string {
  if (!digestPattern.test(text)) throw new RegistryRefusal('DIGEST_INVALID', `invalid digest "${text}"`)
  return text
}

/** Blobs as files of one folder, whatever their size, so that the registry's memory does not grow with them. */
export class BlobStore {
  readonly #folder: string
  readonly #sizes = new Map<string, number>()
  readonly #uploads = new Map<string, Upload>()

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Makes the folders. */
  async open(): Promise<void> {
    await mkdir(join(this.#folder, 'blobs'), { recursive: true })
    await mkdir(join(this.#folder, 'uploads'), { recursive: true })
  }

  /** The size of a stored blob; undefined when there is none. */
  sizeOf(digest: string): number | undefined {
    return this.#sizes.get(digest)
  }

  /** Reads a blob, or the bytes from `start` to `end` (both included). */
  read(digest: string, range?: { start: number; end: number }): Readable {
    return createReadStream(this.#pathOf(digest), range)
  }

  /** Stores bytes that are at hand. */
  async put(bytes: Buffer): Promise<StoredBlob> {
    const digest = digestOf(bytes)
    if (!this.#sizes.has(digest)) {
      // Somebody may put the same bytes at the same time, and somebody else read them already.
      const path = join(this.#folder, 'uploads', randomUUID())
      await writeFile(path, bytes)
      await rename(path, this.#pathOf(digest))
    }
    this.#sizes.set(digest, bytes.length)
    return { digest, size: bytes.length }
  }

  /** Forgets a blob. */
  async remove(digest: string): Promise<void> {
    this.#sizes.delete(digest)
    await rm(this.#pathOf(digest), { force: true })
  }

  /** Begins an upload session and answers its id. */
  async begin(repository: string): Promise<string> {
    const id = randomUUID()
    const path = join(this.#folder, 'uploads', id)
    await writeFile(path, '')
    const hashes = Object.fromEntries(algorithms.map((name) => [name, createHash(name)]))
    this.#uploads.set(id, { path, repository, size: 0, hashes })
    return id
  }

  /** How many bytes a session has; refuses an id that this repository does not know. */
  progress(repository: string, id: string): number {
    return this.#requireUpload(repository, id).size
  }

  /** Appends a chunk to a session and answers the bytes that it has now. */
  async append(repository: string, id: string, chunk: Readable): Promise<number> {
    const upload = this.#requireUpload(repository, id)
    await pipeline(
      chunk,
      async function* (source: AsyncIterable<Buffer>) {
        for await (const bytes of source) {
          upload.size += bytes.length
          for (const hash of Object.values(upload.hashes)) hash.update(bytes)
          yield bytes
        }
      },
      createWriteStream(upload.path, { flags: 'a' }),
    )
    return upload.size
  }

  /** Ends a session: its bytes become the blob `digest`, or are refused when they are not that. */
  async finish(repository: string, id: string, digest: string): Promise<StoredBlob> {
    const upload = this.#requireUpload(repository, id)
    const hash = upload.hashes[digest.split(':')[0] ?? '']
    const actual = hash === undefined ? '' : `${digest.split(':')[0]}:${hash.copy().digest('hex')}`
    this.#uploads.delete(id)
    if (actual !== digest) {
      await rm(upload.path, { force: true })
      throw new RegistryRefusal('DIGEST_INVALID', `provided digest did not match uploaded content: ${actual}`)
    }
    await rename(upload.path, this.#pathOf(digest))
    const size = (await stat(this.#pathOf(digest))).size
    this.#sizes.set(digest, size)
    return { digest, size }
  }

  /** Gives a session up. */
  async cancel(repository: string, id: string): Promise<void> {
    const upload = this.#requireUpload(repository, id)
    this.#uploads.delete(id)
    await rm(upload.path, { force: true })
  }

  #requireUpload(repository: string, id: string): Upload {
    const upload = this.#uploads.get(id)
    if (upload?.repository !== repository)
      throw new RegistryRefusal('BLOB_UPLOAD_UNKNOWN', 'blob upload unknown to registry')
    return upload
  }

  #pathOf(digest: string): string {
    return join(this.#folder, 'blobs', requireDigest(digest).replace(':', '-'))
  }
}
