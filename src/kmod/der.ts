import { moduleFileInvalid } from './invalid.ts'

/** The tags of DER (ITU-T X.690) that module signatures and certificates use. */
export const derTags = {
  integer: 0x02,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
  context0: 0xa0,
} as const

/** One value of a DER document; both views are into the document's bytes. */
export interface DerValue {
  tag: number
  /** The value with its tag and length. */
  raw: Uint8Array
  content: Uint8Array
}

const mostValues = 1000

/** Writes one value: tag, length, and its parts one after the other. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  return Buffer.concat([Buffer.from([tag, ...encodeLength(content.length)]), content])
}

function encodeLength(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 + bytes.length, ...bytes]
}

/** Writes an object identifier such as `1.2.840.113549.1.7.2`. */
export function encodeOid(text: string): Buffer {
  const [first = 0, second = 0, ...others] = text.split('.').map(Number)
  return encodeDer(derTags.objectIdentifier, Buffer.from([first * 40 + second, ...others.flatMap(encodeBase128)]))
}

function encodeBase128(number: number): number[] {
  const bytes = [number % 128]
  for (let rest = Math.floor(number / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) + 128)
  return bytes
}

/** Splits bytes into the DER values that follow each other in them. Throws ModuleFileInvalid when they are none. */
export function readDerValues(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = []
  for (let at = 0; at < bytes.byteLength; ) {
    if (values.length >= mostValues) throw malformed()
    const value = readDerValue(bytes.subarray(at))
    values.push(value)
    at += value.raw.byteLength
  }
  return values
}

/** Reads the value with which bytes begin. */
export function readDerValue(bytes: Uint8Array): DerValue {
  const [tag, first] = bytes
  // Tags of more than one byte do not occur in what is read here.
  if (tag === undefined || first === undefined || tag % 32 === 31) throw malformed()
  const lengthBytes = first < 0x80 ? 0 : first - 0x80
  if (first === 0x80 || lengthBytes > 4 || bytes.byteLength < 2 + lengthBytes) throw malformed()
  const length =
    lengthBytes === 0 ? first : bytes.subarray(2, 2 + lengthBytes).reduce((sum, byte) => sum * 256 + byte, 0)
  const start = 2 + lengthBytes
  if (start + length > bytes.byteLength) throw malformed()
  return { tag, raw: bytes.subarray(0, start + length), content: bytes.subarray(start, start + length) }
}

const malformed = (): Error => moduleFileInvalid('has a damaged signature: it is not DER')
