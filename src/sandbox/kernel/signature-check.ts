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
  digest: string
  signature: Buffer
}

/** The signers of a PKCS#7 message without attributes, as module signatures are. */
function readSigners(message: Buffer): Signer[] {
  const content = readElements(readElements(message)[0]?.body ?? Buffer.alloc(0))
  const signedData = readElements(readElements(content[1]?.body ?? Buffer.alloc(0))[0]?.body ?? Buffer.alloc(0))
  const signers = readElements(signedData.findLast(({ tag }) => tag === 0x31)?.body ?? Buffer.alloc(0))
  return signers.flatMap(({ body }) => {
    const fields = readElements(body)
    const algorithm = readElements(fields[2]?.body ?? Buffer.alloc(0))[0]?.body.toString('hex') ?? ''
    const signature = fields.find(({ tag }) => tag === 0x04)?.body
    const digest = digests.get(algorithm)
    return signature === undefined || digest === undefined ? [] : [{ digest, signature }]
  })
}

function isSignedWith(data: Buffer, signer: Signer, key: KeyObject): boolean {
  try {
    return verify(signer.digest, data, { key, padding: constants.RSA_PKCS1_PADDING }, signer.signature)
  } catch {
    return false
  }
}

/** The public key of a PEM certificate or PEM public key. */
function readKey(pem: string): KeyObject {
  return pem.includes('CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem)
}

/** What the kernel finds out about a module's signature. */
export type SignatureVerdict = 'unsigned' | 'unknown key' | 'trusted'

/** Checks the signature appended to a plain module file against the certificates that the kernel trusts. */
export function checkSignature(
  data: Uint8Array,
  signature: AppendedSignature | undefined,
  trustedCertificates: readonly string[],
): SignatureVerdict {
  if (signature === undefined) return 'unsigned'
  const signed = Buffer.from(data.buffer, data.byteOffset, signature.signedBytes)
  const keys = trustedCertificates.map(readKey)
  const signers = readSigners(Buffer.from(signature.signature))
  return signers.some((signer) => keys.some((key) => isSignedWith(signed, signer, key))) ? 'trusted' : 'unknown key'
}
