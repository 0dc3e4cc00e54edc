import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import type { LayerSource } from '../src/oci/layer-source.ts'
import { buildTar, type TestEntry } from './tar-builder.ts'

/** A layer that holds exactly these bytes, served in pieces of `pieceBytes`. */
export function layerOfBytes(bytes: Uint8Array, pieceBytes = 64 * 1024): LayerSource {
  function* pieces(): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield Buffer.from(bytes.subarray(at, at + pieceBytes))
  }
  return {
    descriptor: {
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      size: bytes.length,
    },
    open: () => Promise.resolve(Readable.from(pieces(), { objectMode: false })),
  }
}

/** A gzip layer of these entries. */
export const layerOf = (...entries: TestEntry[]): LayerSource => layerOfBytes(gzipSync(buildTar(entries)))

/** A zstd frame that holds the bytes in blocks that are not compressed: enough for a test, without a compressor. */
export function storeAsZstd(bytes: Uint8Array): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0])
  header.writeUInt32LE(bytes.length, 5)
  const parts: Uint8Array[] = [header]
  const blockBytes = 100_000
  for (let at = 0; at === 0 || at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes)
    const last = at + blockBytes >= bytes.length ? 1 : 0
    parts.push(Buffer.from([0, 1, 2].map((byte) => ((last + block.length * 8) >> (byte * 8)) & 0xff)), block)
  }
  return Buffer.concat(parts)
}

/** The same in two frames with a skippable one between them, as tools write it that index their layers. */
export function storeAsZstdFrames(bytes: Uint8Array): Buffer {
  const middle = Math.floor(bytes.length / 2)
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 1, 2, 3, 4])
  return Buffer.concat([storeAsZstd(bytes.subarray(0, middle)), skippable, storeAsZstd(bytes.subarray(middle))])
}

/** A zstd frame of `blocks` blocks of 128 KiB zeros each, four bytes a block: a decompression bomb. */
export function buildZstdBomb(blocks: number): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38])
  const block = (last: number): Buffer => Buffer.from([(last + 2) & 0xff, 0, 0x10, 0])
  return Buffer.concat([header, ...Array.from({ length: blocks }, (_, at) => block(at === blocks - 1 ? 1 : 0))])
}
