const polynomial = 0xedb88320

function buildTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte
    for (let bit = 0; bit < 8; bit += 1) value = (value & 1) === 1 ? (value >>> 1) ^ polynomial : value >>> 1
    return value >>> 0
  })
}

/** The CRC-32 of gzip and xz (IEEE 802.3). Node.js has one of its own only from 22.2 on. */
export function crc32(bytes: Uint8Array): number {
  const table = buildTable()
  let value = 0xffffffff
  for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8)
  return (value ^ 0xffffffff) >>> 0
}
