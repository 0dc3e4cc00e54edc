import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { mediaTypes } from './repositories.ts'
import type { LayerEntry, LayerInput } from './types.ts'

const compress = promisify(gzip)
// Fixed, so that the same entries give the same digest every time.
const modifiedAt = new Date('2024-01-01T00:00:00Z')

function addEntry(archive: ReturnType<typeof pack>, entry: LayerEntry): void {
  const type = entry.type ?? (entry.name.endsWith('/') ? 'directory' : 'file')
  const header = {
    name: entry.name,
    type,
    mode: entry.mode ?? (type === 'directory' ? 0o755 : 0o644),
    mtime: modifiedAt,
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    ...(entry.linkname === undefined ? {} : { linkname: entry.linkname }),
  }
  if (type === 'file') archive.entry(header, Buffer.from(entry.content ?? ''))
  else archive.entry(header)
}

/** Packs entries into an uncompressed tar archive. */
export async function packEntries(entries: readonly LayerEntry[]): Promise<Buffer> {
  const archive = pack()
  const chunks: Buffer[] = []
  const done = (async () => {
    for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk)
  })()
  for (const entry of entries) addEntry(archive, entry)
  archive.finalize()
  await done
  return Buffer.concat(chunks)
}

/** The bytes of a layer, its media type and, where it was packed here, the tar archive inside. */
export async function buildLayer(
  layer: LayerInput,
  docker: boolean,
): Promise<{ bytes: Buffer; mediaType: string; tar: Buffer; annotations?: Record<string, string> }> {
  if ('bytes' in layer) return { ...layer, tar: layer.bytes }
  const tar = await packEntries(layer.entries)
  if (layer.compression === 'none') return { bytes: tar, mediaType: mediaTypes.ociLayer, tar }
  const bytes = await compress(tar)
  return { bytes, mediaType: docker ? mediaTypes.dockerLayer : `${mediaTypes.ociLayer}+gzip`, tar }
}
