import { constants, createPublicKey, verify, X509Certificate, type KeyObject } from 'node:crypto'
import type { AppendedSignature } from '../../kmod/signature.ts'

interface Element {
  tag: number
  body: Buffer
}

/** Reads the DER elements that stand side by side in `bytes`. */
function readElements(bytes: Buffer): Element[] {
  const elements: Element[] = []
  let at = 0
  while (at + 2 <= bytes.length) {
    const tag = bytes.readUInt8(at)
    let length = bytes.readUInt8(at + 1)
    at += 2
    if (length > 0x80) {
      const size = length & 0x7f
      if (size > 4 || at + size > bytes.length) return []
      length = bytes.readUIntBE(at, size)
      at += size
    }
    elements.push({ tag, body: bytes.subarray(at, at + length) })
    at += length
  }
  return elements
}

const digests: ReadonlyMap<string, string> = new Map([
  ['2b0e03021a', 'sha1'],
  ['608648016503040201', 'sha256'],
  ['608648016503040202', 'sha384'],
  ['608648016503040203', 'sha512'],
])

interface Signer {
  /** DER of the name of who issued the signer's certificate, and that certificate's number. */
  issuer: Buffer
  serial: string
  digest: string
  signature: Buffer
}

const plainNumber = (hex: string): string => hex.toLowerCase().replace(/^0+/, '')

const nothing = Buffer.alloc(0)

/** The content of one of some elements; nothing where there are fewer. */
const bodyAt = (elements: readonly Element[], index: number): Buffer => elements[index]?.body ?? nothing

/** The elements in the first element of `bytes`. */
const readInside = (bytes: Buffer): Element[] => readElements(bodyAt(readElements(bytes), 0))

/** Reads a SignerInfo (RFC 5652, 5.3) that names its certificate by issuer and number, as the kernel's sign-file does. */
function readSigner(body: Buffer): Signer[] {
  const fields = readElements(body)
  const names = readElements(bodyAt(fields, 1))
  const digest = digests.get(bodyAt(readElements(bodyAt(fields, 2)), 0).toString('hex'))
  const signature = fields.find(({ tag }) => tag === 0x04)?.body
  if (digest === undefined || signature === undefined) return []
  return [{ issuer: bodyAt(names, 0), serial: plainNumber(bodyAt(names, 1).toString('hex')), digest, signature }]
}

/** The signers of a PKCS#7 message without attributes, as module signatures are. */
function readSigners(message: Buffer): Signer[] {
  const signedData = readInside(bodyAt(readInside(message), 1))
  const signers = readElements(signedData.findLast(({ tag }) => tag === 0x31)?.body ?? nothing)
  return signers.flatMap(({ body }) => readSigner(body))
}

function isSignedWith(data: Buffer, signer: Signer, key: KeyObject): boolean {
  try {
    return verify(signer.digest, data, { key, padding: constants.RSA_PKCS1_PADDING }, signer.signature)
  } catch {
    return false
  }
}

interface Trusted {
  key: KeyObject
  certificate: X509Certificate | undefined
}

/** A PEM certificate or PEM public key. */
function readTrusted(pem: string): Trusted {
  const certificate = pem.includes('CERTIFICATE') ? new X509Certificate(pem) : undefined
  return { key: certificate?.publicKey ?? createPublicKey(pem), certificate }
}

/** True when the message names this certificate as the signer's, whether or not the signature holds. */
function namesSigner({ certificate }: Trusted, { issuer, serial }: Signer): boolean {
  if (certificate === undefined) return false
  return plainNumber(certificate.serialNumber) === serial && certificate.raw.includes(issuer)
}

/** What the kernel finds out about a signature; `wrong`: by a trusted key, and of something else. */
export type SignatureVerdict = 'damaged' | 'unknown key' | 'wrong' | 'trusted'

/** Checks the signature appended to a plain module file against the certificates that the kernel trusts. */
export function checkSignature(
  data: Uint8Array,
  signature: AppendedSignature,
  trustedCertificates: readonly string[],
): SignatureVerdict {
  const signed = Buffer.from(data.buffer, data.byteOffset, signature.signedBytes)
  const signers = readSigners(Buffer.from(signature.signature))
  if (signers.length === 0) return 'damaged'
  const trusted = trustedCertificates.map(readTrusted)
  if (signers.some((signer) => trusted.some(({ key }) => isSignedWith(signed, signer, key)))) return 'trusted'
  return signers.some((signer) => trusted.some((each) => namesSigner(each, signer))) ? 'wrong' : 'unknown key'
}
