import { moduleFileInvalid } from './invalid.ts'

/** The line that ends a signed module file (kernel: `Documentation/admin-guide/module-signing.rst`). */
const marker = Buffer.from('~Module signature appended~\n', 'latin1')

/** Size of the record between signature and marker: five bytes, three of padding, a big-endian length. */
const trailerBytes = 12

/** The form of an appended signature; the kernel accepts `PKCS#7` only. */
export type SignatureForm = 'PGP' | 'X.509' | 'PKCS#7'

const forms: readonly SignatureForm[] = ['PGP', 'X.509', 'PKCS#7']

/** The most bytes at a file's end that a signature is looked for in; those of RSA keys of 4,096 bits have some 700. */
export const signatureTailBytes = 64 * 1024

/** A signature appended to a module file. Its presence says nothing of its validity. */
export interface AppendedSignature {
  form: SignatureForm
  /** Bytes of the module that were signed: everything before the signature. */
  signedBytes: number
  /** The signature itself, a view into the file's bytes. */
  signature: Uint8Array
}

/**
 * Finds the signature appended to a plain (not compressed) module file, or answers undefined when it ends without the marker.
 * Throws ModuleFileInvalid when there is a marker and what stands before it makes no sense.
 */
export function findAppendedSignature(data: Uint8Array): AppendedSignature | undefined {
  const markerStart = data.byteLength - marker.byteLength
  if (markerStart < 0 || marker.compare(data, markerStart) !== 0) return undefined
  const trailerStart = markerStart - trailerBytes
  if (trailerStart < 0)
    throw moduleFileInvalid('is damaged: it ends as a signed one and is too short to hold a signature')
  const trailer = new DataView(data.buffer, data.byteOffset + trailerStart, trailerBytes)
  const form = forms[trailer.getUint8(2)]
  const length = trailer.getUint32(8, false)
  const signedBytes = trailerStart - length
  if (form === undefined || length === 0 || signedBytes <= 0) {
    throw moduleFileInvalid('is damaged: the record of its appended signature makes no sense')
  }
  return { form, signedBytes, signature: data.subarray(signedBytes, trailerStart) }
}

/** What `sign-file` puts behind a module: the signature, its record and the marker. */
export function formatAppendedSignature(signature: Uint8Array): Buffer {
  const trailer = Buffer.alloc(trailerBytes)
  trailer.writeUInt8(forms.indexOf('PKCS#7'), 2)
  trailer.writeUInt32BE(signature.byteLength, 8)
  return Buffer.concat([signature, trailer, marker])
}
