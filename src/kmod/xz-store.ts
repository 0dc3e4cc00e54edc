import { crc32 } from './crc32.ts'

const headerMagic = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])
const footerMagic = Buffer.from('YZ', 'latin1')
/** Check type CRC32: the kernel's own decoder knows no other. */
const streamFlags = Buffer.from([0x00, 0x01])
const largestChunkBytes = 64 * 1024
/** A dictionary of 1 MiB, as the kernel's build uses; stored bytes need none, but a decoder may refuse a tiny one. */
const dictionaryCode = 0x10

/** Puts bytes into an xz file of one block whose LZMA2 chunks are all stored (The .xz File Format, version 1.2.0). */
export function storeAsXz(data: Uint8Array): Buffer {
  const blockHeader = withCrc(Buffer.from([0x02, 0x00, 0x21, 0x01, dictionaryCode, 0x00, 0x00, 0x00]))
  const chunks = listChunks(data)
  const packedBytes = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
  const unpaddedBytes = blockHeader.length + packedBytes + 4
  const index = buildIndex(unpaddedBytes, data.byteLength)
  return Buffer.concat([
    headerMagic,
    withCrc(streamFlags),
    blockHeader,
    ...chunks,
    Buffer.alloc(padding(packedBytes)),
    formatCrc(data),
    index,
    buildFooter(index.length),
  ])
}

function listChunks(data: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < data.byteLength; at += largestChunkBytes) {
    const chunk = data.subarray(at, at + largestChunkBytes)
    const header = Buffer.alloc(3)
    // 1 resets the dictionary, which the first chunk has to do; 2 does not.
    header.writeUInt8(at === 0 ? 1 : 2, 0)
    header.writeUInt16BE(chunk.byteLength - 1, 1)
    chunks.push(header, chunk)
  }
  chunks.push(Buffer.from([0]))
  return chunks
}

function buildIndex(unpaddedBytes: number, plainBytes: number): Buffer {
  const records = Buffer.from([0x00, 0x01, ...encodeNumber(unpaddedBytes), ...encodeNumber(plainBytes)])
  return withCrc(Buffer.concat([records, Buffer.alloc(padding(records.length))]))
}

function buildFooter(indexBytes: number): Buffer {
  const fields = Buffer.alloc(6)
  fields.writeUInt32LE(indexBytes / 4 - 1, 0)
  streamFlags.copy(fields, 4)
  return Buffer.concat([formatCrc(fields), fields, footerMagic])
}

/** Seven bits a byte, the lowest first; the top bit says that more follow. */
function encodeNumber(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  return [...bytes, rest]
}

const padding = (bytes: number): number => (4 - (bytes % 4)) % 4

const withCrc = (bytes: Buffer): Buffer => Buffer.concat([bytes, formatCrc(bytes)])

function formatCrc(bytes: Uint8Array): Buffer {
  const field = Buffer.alloc(4)
  field.writeUInt32LE(crc32(bytes), 0)
  return field
}
