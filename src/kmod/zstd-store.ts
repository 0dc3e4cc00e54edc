const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])
/** A frame with a window and a content size of eight bytes, without checksum. */
const descriptor = 0xc0
/** A window of 1 MiB, whatever the size of the file: modprobe refuses windows above 128 MiB. */
const windowDescriptor = 0x50
const largestBlockBytes = 128 * 1024

/** Puts bytes into one zstd frame whose blocks are all stored (RFC 8878, section 3.1.1). */
export function storeAsZstd(data: Uint8Array): Buffer {
  const header = Buffer.alloc(10)
  header.writeUInt8(descriptor, 0)
  header.writeUInt8(windowDescriptor, 1)
  header.writeBigUInt64LE(BigInt(data.byteLength), 2)
  const parts: Uint8Array[] = [magic, header]
  for (let at = 0; at === 0 || at < data.byteLength; at += largestBlockBytes) {
    const block = data.subarray(at, at + largestBlockBytes)
    const blockHeader = Buffer.alloc(3)
    const isLast = at + largestBlockBytes >= data.byteLength ? 1 : 0
    blockHeader.writeUIntLE(isLast + block.byteLength * 8, 0, 3)
    parts.push(blockHeader, block)
  }
  return Buffer.concat(parts)
}
