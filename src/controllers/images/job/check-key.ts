import { derTags, type DerValue, readDerValue, readDerValues } from '../../../kmod/der.ts'
import { createModuleSigner } from '../../../kmod/signature-key.ts'

/** OpenSSL writes keys with 2,048 rounds, careful people with 100,000: some 50 ms. */
const mostRounds = 200_000
const mostDepth = 8

/** What a signing key is checked with. */
export interface KeyInput {
  key: Buffer
  certificate: Buffer
  passphrase: Buffer | undefined
}

function readDocument(key: Buffer): Uint8Array {
  const [, base64 = ''] = /-----BEGIN ENCRYPTED PRIVATE KEY-----([^-]+)-----END/.exec(key.toString('latin1')) ?? []
  return base64 === '' ? key : Buffer.from(base64, 'base64')
}

function findLargest({ tag, content }: DerValue, depth: number): number {
  if (tag === derTags.integer)
    return content.byteLength > 5 ? Infinity : Number(`0x0${Buffer.from(content).toString('hex')}`)
  if (tag !== derTags.sequence || depth > mostDepth) return 0
  return readDerValues(content).reduce((largest, value) => Math.max(largest, findLargest(value, depth + 1)), 0)
}

/**
 * True for a key whose encryption says that opening it takes long: somebody else's Secret must not hold up the operator. Its
 * cipher stands before the key, as parameters among which the number of rounds is (RFC 5958, RFC 8018).
 */
function isCostly(key: Buffer): boolean {
  try {
    const [cipher] = readDerValues(readDerValue(readDocument(key)).content)
    return cipher?.tag === derTags.sequence && findLargest(cipher, 0) > mostRounds
  } catch {
    // No DER: whoever parses it as a key says so.
    return false
  }
}

/**
 * Sees that a key can be read, with its passphrase where it has one, and belongs to the certificate. Throws SigningKeyInvalid.
 * A key that takes long to open is left to the sign pod. Nothing of the key is kept, and none of it gets into the message.
 */
export function checkSigningKey({ key, certificate, passphrase }: KeyInput): void {
  if (isCostly(key)) return
  // Files are often written with a line break at their end, which nobody means as a part of a passphrase.
  const given = passphrase === undefined ? {} : { passphrase: passphrase.toString('utf8').replace(/\r?\n$/, '') }
  createModuleSigner({ key, certificate, ...given })
}
