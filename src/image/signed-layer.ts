import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Header, pack, type Pack } from 'tar-stream'
import type { Descriptor } from '../oci/manifest.ts'
import { type FileNode, type FileView, listAncestors } from './file-view.ts'
import type { ImageFileCopy } from './image-files.ts'

/** A layer as a file on disk, packed with gzip. `diffId` is the digest of the archive inside. */
export interface WrittenLayer {
  file: string
  descriptor: Descriptor
  diffId: string
}

/** The largest owner and the last date that an ordinary header of tar-stream holds. */
const largestOwner = 0o777777
const latestSecond = 2 ** 31 - 1
/** They are made from a file's bytes: those of the file before it was signed would be wrong. */
const contentAttributes = ['SCHILY.xattr.security.ima', 'SCHILY.xattr.security.evm']

/**
 * Writes a layer that holds files in the place of those of the same names, with their modes, owners, times and extended
 * attributes, hard links as links. The directories above are in it as the image has them, as in the layers of container tools:
 * to unpack it changes nothing but the files. Same files, same bytes.
 */
export async function writeLayer(
  files: readonly ImageFileCopy[],
  view: FileView,
  target: { file: string; mediaType: string; signal: AbortSignal },
): Promise<WrittenLayer> {
  const archive = pack()
  const [plainHash, packedHash] = [createHash('sha256'), createHash('sha256')]
  const filling = fill(archive, files, view).then(
    () => archive.finalize(),
    (error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))),
  )
  await pipeline(
    hashing(archive as AsyncIterable<Buffer>, plainHash),
    createGzip(),
    (packed: AsyncIterable<Buffer>) => hashing(packed, packedHash),
    createWriteStream(target.file, { mode: 0o600 }),
    { signal: target.signal },
  )
  await filling
  const { size } = await stat(target.file)
  return {
    file: target.file,
    descriptor: { mediaType: target.mediaType, digest: `sha256:${packedHash.digest('hex')}`, size },
    diffId: `sha256:${plainHash.digest('hex')}`,
  }
}

async function* hashing(chunks: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk)
    yield chunk
  }
}

async function fill(archive: Pack, files: readonly ImageFileCopy[], view: FileView): Promise<void> {
  for (const path of listDirectories(files)) {
    const node = view.get(path)
    if (node?.type === 'directory') await add(archive, { ...describe(`${path}/`, node), type: 'directory' })
  }
  for (const { paths, node, copy } of files.toSorted((a, b) => (a.paths[0] < b.paths[0] ? -1 : 1))) {
    const [first, ...links] = paths
    const { size } = await stat(copy)
    await add(archive, { ...describe(first, node), type: 'file', size }, createReadStream(copy))
    for (const link of links) await add(archive, { ...describe(link, node), type: 'link', linkname: first })
  }
}

function listDirectories(files: readonly ImageFileCopy[]): string[] {
  const all = files.flatMap(({ paths }) => paths.flatMap(listAncestors))
  return [...new Set(all)].filter((path) => path !== '').toSorted()
}

function describe(name: string, { entry }: FileNode): Partial<Header> & Pick<Header, 'name'> {
  const { mode, owner, modifiedAt } = entry
  const attributes = Object.entries(entry.pax).filter(
    // Bytes that are not UTF-8 are lost in reading; a damaged attribute is worse than none.
    ([key, value]) => !contentAttributes.includes(key) && !value.includes('\uFFFD'),
  )
  const isExact = Number.isInteger(modifiedAt) && modifiedAt >= 0 && modifiedAt <= latestSecond
  const pax = Object.fromEntries([
    ...attributes,
    ...Object.entries(owner)
      .filter(([, id]) => id > largestOwner)
      .map(([key, id]) => [key, String(id)]),
    ...(isExact ? [] : [['mtime', String(modifiedAt)]]),
  ]) as Record<string, string>
  const seconds = Math.min(Math.max(Math.floor(modifiedAt), 0), latestSecond)
  const header = { name, mode, ...owner, mtime: new Date(seconds * 1000) }
  return Object.keys(pax).length === 0 ? header : { ...header, pax }
}

async function add(
  archive: Pack,
  header: Partial<Header> & Pick<Header, 'name'>,
  content?: AsyncIterable<Uint8Array>,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve())
    if (content === undefined) archive.entry(header, '', done)
    else pipeline(content, archive.entry(header, done)).catch(reject)
  })
}
