import { createReadStream } from 'node:fs'
import { appendFile, open, readFile, stat, writeFile } from 'node:fs/promises'
import { hasCode, KmmError } from '../errors/error.ts'
import { compressModule } from '../kmod/compress.ts'
import { decompressModule, detectCompression } from '../kmod/compression.ts'
import { moduleFileInvalid } from '../kmod/invalid.ts'
import { checkModuleHead, moduleHeadBytes } from '../kmod/module-head.ts'
import { isModuleFileName } from '../kmod/module-name.ts'
import { type AppendedSignature, findAppendedSignature, signatureTailBytes } from '../kmod/signature.ts'
import type { ModuleSigner, SigningCertificate } from '../kmod/signature-key.ts'
import { createModuleSignature, isSignatureOf, type ModuleBytes } from '../kmod/signature-sign.ts'
import type { ImageFileCopy } from './image-files.ts'

/** A plain module, on disk or in memory, that is read in parts. */
interface PlainModule {
  bytes: number
  read(start: number, end: number): ModuleBytes
  readAll(start: number, end: number): Promise<Uint8Array>
}

/** A file's names in the image, and where its bytes lie on disk. */
type NamedCopy = Pick<ImageFileCopy, 'paths' | 'copy'>

/** The largest compressed module that is signed, before and after it is unpacked: it is in memory whole. */
const largestPackedBytes = 256 * 1024 * 1024
/** The same where it is only looked at, which many images may be at once. */
const largestSeenBytes = 64 * 1024 * 1024

/**
 * Signs a copy of a file in its place, unless its signature is that of the signer's certificate already. A compressed module is
 * signed inside and packed again in its form; a plain one is never in memory whole. What has not the name of a module is signed as
 * it is, like by `sign-file`. Throws ModuleFileInvalid for what has the name and is none.
 */
export async function signCopy(file: NamedCopy, signer: ModuleSigner): Promise<'signed' | 'alreadySigned'> {
  const { copy } = file
  const { module, packed } = await openCopy(file, largestPackedBytes)
  if (await isSignedBy(module, signer.certificate)) return 'alreadySigned'
  const appended = await createModuleSignature(module.read(0, module.bytes), signer)
  if (packed === undefined) await appendFile(copy, appended)
  else await writeFile(copy, await compressModule(Buffer.concat([packed.plain, appended]), packed.kind))
  return 'signed'
}

/** True when a copy of a file, in any compression, carries a good signature of the certificate. Throws ModuleFileInvalid. */
export async function isCopySignedBy(file: NamedCopy, certificate: SigningCertificate): Promise<boolean> {
  return isSignedBy((await openCopy(file, largestSeenBytes)).module, certificate)
}

interface OpenedCopy {
  module: PlainModule
  packed: { kind: 'gzip' | 'xz' | 'zstd'; plain: Uint8Array } | undefined
}

async function openCopy({ paths, copy }: NamedCopy, largestBytes: number): Promise<OpenedCopy> {
  const { size } = await stat(copy)
  const onDisk: PlainModule = {
    bytes: size,
    read: (start, end) => readPieces(copy, start, end),
    readAll: (start, end) => readRange(copy, start, end),
  }
  if (!paths.some(isModuleFileName)) return { module: onDisk, packed: undefined }
  const kind = detectCompression(await onDisk.readAll(0, Math.min(size, moduleHeadBytes)))
  if (kind !== 'none' && size > largestBytes) throw moduleFileInvalid(`is larger than ${largestBytes} bytes`)
  const packed =
    kind === 'none' ? undefined : { kind, plain: await decompressModule(await readFile(copy), largestBytes) }
  const module = packed === undefined ? onDisk : inMemory(packed.plain)
  checkModuleHead(await module.readAll(0, Math.min(module.bytes, moduleHeadBytes)), module.bytes)
  return { module, packed }
}

function inMemory(plain: Uint8Array): PlainModule {
  return {
    bytes: plain.byteLength,
    read: (start, end) => plain.subarray(start, end),
    readAll: (start, end) => Promise.resolve(plain.subarray(start, end)),
  }
}

async function* readPieces(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  if (end > start) yield* createReadStream(path, { start, end: end - 1 }) as AsyncIterable<Buffer>
}

async function readRange(path: string, start: number, end: number): Promise<Uint8Array> {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(end - start), 0, end - start, start)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

async function isSignedBy(module: PlainModule, certificate: SigningCertificate): Promise<boolean> {
  const tailStart = Math.max(0, module.bytes - signatureTailBytes)
  const found = findSignature(await module.readAll(tailStart, module.bytes))
  return found !== undefined && isSignatureOf(found, certificate, module.read(0, tailStart + found.signedBytes))
}

/** A damaged signature is as none: like `sign-file`, a good one is put behind it, and the kernel looks at that one alone. */
function findSignature(tail: Uint8Array): AppendedSignature | undefined {
  try {
    return findAppendedSignature(tail)
  } catch (error) {
    if (hasCode(error, 'ModuleFileInvalid')) return undefined
    throw error
  }
}

/** Names the file of the image in what is wrong with it. */
export function nameModule(error: unknown, path: string): unknown {
  if (!hasCode(error, 'ModuleFileInvalid')) return error
  const { message, code, fate, cause } = error
  return new KmmError(`/${path} of the image cannot be signed: ${message}`, { code, fate, cause })
}
