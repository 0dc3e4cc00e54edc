import { createHash } from 'node:crypto'
import { constants, createWriteStream } from 'node:fs'
import { lstat, open, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Header, type Pack, pack } from 'tar-stream'
import { KmmError } from '../errors/error.ts'
import { defaultExtractLimits, ExtractMeter } from '../oci/extract-limits.ts'
import {
  dropNestedTrees,
  isWithin,
  normaliseImagePath,
  type ResolvedTrees,
  resolveTrees,
} from '../oci/extract-paths.ts'
import type { LayerDescriptor } from '../oci/layer-source.ts'
import { mediaTypes } from '../oci/media-types.ts'

/** What of a folder that holds an image is packed, and where to. */
export interface FolderPacking {
  /** The image's root. What is in it is hostile: no link is followed but in the image's own terms. */
  root: string
  /** Directories of the image, absolute. */
  wanted: readonly string[]
  /** The archive's file. */
  file: string
  signal: AbortSignal
}

const maxLinks = 200
// One date for everything: the same files make the same digest.
const epoch = new Date(0)

const invalid = (path: string, what: string): KmmError =>
  new KmmError(`/${path} is ${what}, which has no place among kernel modules and firmware`, {
    code: 'ImageInvalid',
    fate: 'terminal',
  })

interface FoundTrees {
  /** Where the image really keeps the wanted directories. */
  trees: readonly string[]
  /** The links above them, by path. */
  links: ReadonlyMap<string, string>
}

/** Finds the wanted directories through the links above them, resolved as for a process in the image. */
async function findTrees(root: string, paths: readonly string[]): Promise<FoundTrees> {
  const links = new Map<string, string>()
  while (links.size < maxLinks) {
    const resolved = resolveTrees(paths, links)
    const found = await findLink(root, resolved, links)
    if (found === undefined) return { trees: dropNestedTrees(resolved.trees.map(({ real }) => real)), links }
    links.set(found.path, found.target)
  }
  throw new KmmError('the links above the wanted directories do not come to an end', {
    code: 'ImageInvalid',
    fate: 'terminal',
  })
}

/** The first link on the way that is not known yet. Nothing is looked at below a link: that would follow it on the node. */
async function findLink(
  root: string,
  { visited }: ResolvedTrees,
  links: ReadonlyMap<string, string>,
): Promise<{ path: string; target: string } | undefined> {
  for (const path of visited) {
    if ([...links.keys()].some((link) => isWithin(link, path))) continue
    const found = await lstat(join(root, path)).catch(() => undefined)
    if (found?.isSymbolicLink()) return { path, target: await readlink(join(root, path)) }
  }
  return undefined
}

class FolderPacker {
  readonly #root: string
  readonly #archive: Pack
  readonly #signal: AbortSignal
  readonly #meter = new ExtractMeter(defaultExtractLimits)
  #entries = 0

  constructor(root: string, archive: Pack, signal: AbortSignal) {
    this.#root = root
    this.#archive = archive
    this.#signal = signal
  }

  addLink(path: string, target: string): Promise<void> {
    return this.#add({ name: path, type: 'symlink', linkname: target, mode: 0o777 })
  }

  /** Adds a directory with everything in it; nothing when the image has none there. */
  async addTree(path: string): Promise<void> {
    const found = await lstat(join(this.#root, path)).catch(() => undefined)
    if (found?.isDirectory()) await this.#addDirectory(path)
  }

  async #addDirectory(path: string): Promise<void> {
    if (path !== '') await this.#add({ name: `${path}/`, type: 'directory', mode: 0o755 })
    const entries = await readdir(join(this.#root, path), { withFileTypes: true })
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      this.#signal.throwIfAborted()
      const inside = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.name.includes('\uFFFD')) throw invalid(inside, 'a name that is not UTF-8')
      if (entry.isDirectory()) await this.#addDirectory(inside)
      else if (entry.isSymbolicLink()) await this.addLink(inside, await readlink(join(this.#root, inside)))
      else if (entry.isFile()) await this.#addFile(inside)
      else throw invalid(inside, 'a device, a socket or a pipe')
    }
  }

  async #addFile(path: string): Promise<void> {
    // oxlint-disable-next-line no-bitwise
    const file = await open(join(this.#root, path), constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      const { size, mode } = await file.stat()
      this.#meter.addBytes(size)
      // oxlint-disable-next-line no-bitwise
      const header = { name: path, size, mode: mode & 0o777 }
      await (size === 0 ? this.#add(header) : this.#add(header, file.createReadStream({ autoClose: false })))
    } finally {
      await file.close()
    }
  }

  async #add(header: Partial<Header> & Pick<Header, 'name'>, content?: AsyncIterable<Uint8Array>): Promise<void> {
    this.#entries += 1
    this.#meter.checkEntries(this.#entries)
    await new Promise<void>((resolve, reject) => {
      const done = (error?: Error | null): void => (error ? reject(error) : resolve())
      const full = { ...header, mtime: epoch }
      if (content === undefined) this.#archive.entry(full, '', done)
      else pipeline(content, this.#archive.entry(full, done)).catch(reject)
    })
  }
}

/**
 * Packs the wanted directories of a folder that holds an image as a layer, with the links above them and nothing else: what
 * extracting it yields is what extracting the image would. Fails with `ImageInvalid` or `LimitExceeded`.
 */
export async function packFolder({ root, wanted, file, signal }: FolderPacking): Promise<LayerDescriptor> {
  const found = await findTrees(root, wanted.map(normaliseImagePath))
  const archive = pack()
  const hash = createHash('sha256')
  let size = 0
  async function* measure(): AsyncGenerator<Uint8Array> {
    for await (const chunk of archive as AsyncIterable<Buffer>) {
      hash.update(chunk)
      size += chunk.byteLength
      yield chunk
    }
  }
  const filling = fill(new FolderPacker(root, archive, signal), found).then(
    () => archive.finalize(),
    (error: unknown) => {
      archive.destroy(error instanceof Error ? error : new Error(String(error)))
    },
  )
  // Whatever fails, the reader of the archive gets to know it.
  await pipeline(measure, createWriteStream(file, { mode: 0o600 }), { signal })
  await filling
  return { mediaType: mediaTypes.layer, digest: `sha256:${hash.digest('hex')}`, size }
}

async function fill(packer: FolderPacker, { links, trees }: FoundTrees): Promise<void> {
  for (const [path, target] of links) await packer.addLink(path, target)
  for (const tree of trees) await packer.addTree(tree)
}
