import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import xz from 'xz-decompress'
import { KmmError } from '../errors/error.ts'
import { moduleFileInvalid } from './invalid.ts'
import { decompressZstd } from './zstd.ts'

/** How a module file is compressed; the kernel's build and modprobe know these. */
export type ModuleCompression = 'none' | 'gzip' | 'xz' | 'zstd'

/** The largest module that is read, decompressed, if the caller sets no limit of its own; debug builds of GPU drivers reach 400 MB. */
export const defaultModuleLimitBytes = 512 * 1024 * 1024

const magics: readonly { kind: ModuleCompression; bytes: readonly number[] }[] = [
  { kind: 'gzip', bytes: [0x1f, 0x8b] },
  { kind: 'xz', bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] },
  { kind: 'zstd', bytes: [0x28, 0xb5, 0x2f, 0xfd] },
]

/** The xz decoder works in this thread: after so much, other work has its turn. */
const bytesOfTurn = 4 * 1024 * 1024

const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip)

/** Tells the compression by the first bytes, as modprobe does, not by the file's name. */
export function detectCompression(data: Uint8Array): ModuleCompression {
  return magics.find(({ bytes }) => bytes.every((byte, index) => data[index] === byte))?.kind ?? 'none'
}

/**
 * The plain bytes of a module file in any of the four forms.
 * Throws ModuleFileInvalid when the data is damaged or would become larger than `limitBytes`.
 */
export async function decompressModule(data: Uint8Array, limitBytes = defaultModuleLimitBytes): Promise<Uint8Array> {
  const kind = detectCompression(data)
  try {
    return await decompress(kind, data, limitBytes)
  } catch (error) {
    if (error instanceof KmmError) throw error
    if (isTooLarge(error)) throw moduleFileInvalid(`is larger than ${limitBytes} bytes when decompressed`)
    throw moduleFileInvalid(`is damaged: its ${kind} data cannot be decompressed`, error)
  }
}

async function decompress(kind: ModuleCompression, data: Uint8Array, limitBytes: number): Promise<Uint8Array> {
  switch (kind) {
    case 'none':
      if (data.byteLength > limitBytes) throw moduleFileInvalid(`is larger than ${limitBytes} bytes`)
      return data
    case 'gzip':
      return gunzip(data, { maxOutputLength: limitBytes })
    case 'xz':
      return decompressXz(data, limitBytes)
    case 'zstd':
      return decompressZstd(data, limitBytes)
  }
}

async function decompressXz(data: Uint8Array, limitBytes: number): Promise<Uint8Array> {
  const reader = new xz.XzReadableStream(streamOf(data)).getReader()
  const chunks: Uint8Array[] = []
  let [length, unrested] = [0, 0]
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    length += next.value.byteLength
    if (length > limitBytes) {
      await reader.cancel()
      throw moduleFileInvalid(`is larger than ${limitBytes} bytes when decompressed`)
    }
    chunks.push(next.value)
    unrested += next.value.byteLength
    if (unrested < bytesOfTurn) continue
    unrested = 0
    await nextTurn()
  }
  return Buffer.concat(chunks, length)
}

function streamOf(data: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(data)
      controller.close()
    },
  })
}

function isTooLarge(error: unknown): boolean {
  return error instanceof RangeError && (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
}
