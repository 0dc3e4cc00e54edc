import { createHash } from 'node:crypto'
import { KmmError } from '../../../errors/error.ts'

const plusMagic = 0x20b
const certificateTable = 4

interface Layout {
  checksumAt: number
  /** The entry of the data directory that says where signatures are. */
  directoryAt: number
  /** Where the signatures begin; the end of the file when there are none. */
  signaturesAt: number
}

function readLayout(image: Buffer): Layout {
  const header = image.readUInt32LE(0x3c)
  const optional = header + 24
  if (image.toString('latin1', header, header + 4) !== 'PE\0\0') throw new RangeError('no PE signature')
  const directoryAt = optional + (image.readUInt16LE(optional) === plusMagic ? 112 : 96) + certificateTable * 8
  const signaturesAt = image.readUInt32LE(directoryAt)
  if (signaturesAt > image.length) throw new RangeError('signatures outside of the file')
  return { checksumAt: optional + 64, directoryAt, signaturesAt: signaturesAt === 0 ? image.length : signaturesAt }
}

/**
 * The SHA-256 by which Secure Boot knows a program ("Windows Authenticode Portable Executable Signature Format"): everything
 * but the checksum, the place of the signatures and the signatures. For programs whose sections stand in the order of the
 * file without gaps, as those of the Linux kernel do.
 */
export function authenticodeDigest(image: Buffer): Buffer {
  try {
    const { checksumAt, directoryAt, signaturesAt } = readLayout(image)
    return createHash('sha256')
      .update(image.subarray(0, checksumAt))
      .update(image.subarray(checksumAt + 4, directoryAt))
      .update(image.subarray(directoryAt + 8, signaturesAt))
      .digest()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const what = 'the kernel is not an EFI program: Secure Boot cannot start it; take a kernel with CONFIG_EFI_STUB'
    throw new KmmError(what, { code: 'Internal', cause: error })
  }
}
