import { createSign, createVerify } from 'node:crypto'
import { hasCode } from '../errors/error.ts'
import { type AppendedSignature, findAppendedSignature, formatAppendedSignature } from './signature.ts'
import { type CmsSignature, encodeCms, findCommonName, parseCms } from './signature-cms.ts'
import type { ModuleSigner, SigningCertificate } from './signature-key.ts'

/** A module's bytes, whole or in pieces. */
export type ModuleBytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>

/** Whose signature a module carries last; the kernel looks at no other. */
export interface SignatureOwner {
  /** The common name of the certificate's issuer, hostile text, or undefined where the signature does not say one. */
  commonName: string | undefined
  /** The certificate's serial number, hexadecimal. */
  serial: string | undefined
  hash: string | undefined
}

/**
 * Makes what has to be appended to a plain (not compressed) module so that it is signed: byte for byte what the kernel's
 * `sign-file` appends for RSA. EC signatures differ each time, by their nature. Like `sign-file` it takes the bytes as they are:
 * over a module that is signed already a second signature is made. The kernel then verifies that last one, over everything
 * before it, and ignores the first, which has become part of the file's end.
 */
export async function createModuleSignature(bytes: ModuleBytes, signer: ModuleSigner): Promise<Buffer> {
  const sign = createSign(signer.hash)
  for await (const chunk of listPieces(bytes)) sign.update(chunk)
  const { certificate, hash, keyType, key } = signer
  const { issuer, serial } = certificate
  return formatAppendedSignature(encodeCms({ issuer, serial, hash, keyType, signature: sign.sign(key) }))
}

/** True when a signature names this certificate and verifies by its key over `signedBytes`, the bytes before the signature. */
export async function isSignatureOf(
  { signature, form }: Pick<AppendedSignature, 'signature' | 'form'>,
  certificate: SigningCertificate,
  signedBytes: ModuleBytes,
): Promise<boolean> {
  const cms = form === 'PKCS#7' ? tryParseCms(signature) : undefined
  if (cms?.signer === undefined || cms.hash === undefined || cms.hasSignedAttributes) return false
  const { issuer, serial } = cms.signer
  if (Buffer.compare(issuer, certificate.issuer) !== 0 || Buffer.compare(serial, certificate.serial) !== 0) return false
  const verify = createVerify(cms.hash)
  for await (const chunk of listPieces(signedBytes)) verify.update(chunk)
  return verify.verify(certificate.publicKey, cms.signature)
}

/** True when the last signature of a plain module is a good one of this certificate. Throws ModuleFileInvalid for a damaged end. */
export async function isModuleSignedBy(module: Uint8Array, certificate: SigningCertificate): Promise<boolean> {
  const found = findAppendedSignature(module)
  return found !== undefined && isSignatureOf(found, certificate, module.subarray(0, found.signedBytes))
}

/** Says whose a signature claims to be; undefined for one that cannot be read. */
export function describeSignatureOwner(signature: Uint8Array): SignatureOwner | undefined {
  const cms = tryParseCms(signature)
  if (cms === undefined) return undefined
  return {
    commonName: cms.signer && findCommonName(cms.signer.issuer),
    // Tag and length of the number stand before its bytes.
    serial: cms.signer && Buffer.from(cms.signer.serial).subarray(2).toString('hex'),
    hash: cms.hash,
  }
}

function tryParseCms(signature: Uint8Array): CmsSignature | undefined {
  try {
    const cms = parseCms(signature)
    if (cms.signer !== undefined) findCommonName(cms.signer.issuer)
    return cms
  } catch (error) {
    if (hasCode(error, 'ModuleFileInvalid')) return undefined
    throw error
  }
}

function listPieces(bytes: ModuleBytes): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}
