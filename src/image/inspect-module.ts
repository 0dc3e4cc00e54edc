import { readFile, stat } from 'node:fs/promises'
import { describeError, hasCode } from '../errors/error.ts'
import { decompressModule, detectCompression, type ModuleCompression } from '../kmod/compression.ts'
import { readElf } from '../kmod/elf.ts'
import { type ModuleInfo, readModuleInfo } from '../kmod/modinfo.ts'
import type { SigningCertificate } from '../kmod/signature-key.ts'
import { describeSignatureOwner, isModuleSignedBy, type SignatureOwner } from '../kmod/signature-sign.ts'
import type { InspectMeter } from './inspect-limits.ts'

/** A module file of an image and what it says of itself. All of it is hostile text. */
export interface InspectedModule {
  /** In the kernel's spelling, from the file's name. */
  name: string
  /** Absolute in the image. */
  path: string
  compression: ModuleCompression
  /** Undefined for a file that cannot be read as a module. */
  info: ModuleInfo | undefined
  /** Why it cannot be read. */
  problem: string | undefined
  /** Whose signature it says that it carries; undefined without one. */
  signer: SignatureOwner | undefined
  /** Whether that is a good one of the certificate that was asked for; undefined when none was. */
  isSignedByCertificate: boolean | undefined
}

/**
 * Reads a module file that was extracted from an image. Never throws ModuleFileInvalid: what is wrong is in the result. Throws LimitExceeded
 * where the modules of the image are too much in all.
 */
export async function inspectModule(
  file: string,
  named: Pick<InspectedModule, 'name' | 'path'>,
  { certificate, meter }: { certificate: SigningCertificate | undefined; meter: InspectMeter },
): Promise<InspectedModule> {
  const { moduleBytes } = meter.limits
  const base = { ...named, compression: 'none' as const, signer: undefined, isSignedByCertificate: undefined }
  const found = await stat(file)
  // Where a link leads is the image's choice.
  if (!found.isFile()) return { ...base, info: undefined, problem: 'it is no file' }
  if (found.size > moduleBytes)
    return { ...base, info: undefined, problem: `the module file is larger than ${moduleBytes} bytes` }
  const data = await readFile(file)
  const compression = detectCompression(data)
  try {
    const plain = await decompressModule(data, moduleBytes)
    meter.addModule(plain.byteLength)
    const info = readModuleInfo(plain)
    meter.addInfo(readElf(plain).findSection('.modinfo')?.byteLength ?? 0)
    return {
      ...base,
      compression,
      info,
      problem: undefined,
      signer: info.signature && (describeSignatureOwner(info.signature.signature) ?? unknownOwner),
      isSignedByCertificate: certificate && (await isModuleSignedBy(plain, certificate)),
    }
  } catch (error) {
    if (!hasCode(error, 'ModuleFileInvalid')) throw error
    return { ...base, compression, info: undefined, problem: describeError(error) }
  }
}

const unknownOwner: SignatureOwner = { commonName: undefined, serial: undefined, hash: undefined }
