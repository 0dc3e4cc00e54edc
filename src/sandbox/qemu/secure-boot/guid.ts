/** The 16 bytes of a GUID as UEFI stores it: the first three fields little-endian. */
export function encodeGuid(text: string): Buffer {
  const plain = Buffer.from(text.replaceAll('-', ''), 'hex')
  plain.subarray(0, 4).reverse()
  plain.subarray(4, 6).reverse()
  plain.subarray(6, 8).reverse()
  return plain
}

/** A stored GUID as text, in small letters. */
export function decodeGuid(bytes: Buffer): string {
  const plain = Buffer.from(bytes.subarray(0, 16))
  plain.subarray(0, 4).reverse()
  plain.subarray(4, 6).reverse()
  plain.subarray(6, 8).reverse()
  return plain.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
