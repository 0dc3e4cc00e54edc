import { once } from 'node:events'
import type { Readable, Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { KmmError } from '../errors/error.ts'
import type { LayerDescriptor } from './layer-source.ts'
import { decompressZstd } from './layer-zstd.ts'
import { findLayerCompression } from './media-types.ts'
import { quoteUntrusted } from './text.ts'

const chunkBytes = 64 * 1024

/** A layer's tar bytes and how many compressed bytes have gone into them so far. */
export interface TarBytes {
  chunks: AsyncIterable<Uint8Array>
  compressedBytes(): number
}

type Compression = 'gzip' | 'zstd' | 'none'

/** Fails unless the media type is that of a file system layer whose bytes can be read. */
export function checkLayerMediaType(descriptor: LayerDescriptor): void {
  if (findLayerCompression(descriptor.mediaType) !== undefined) return
  const type = quoteUntrusted(descriptor.mediaType, 100)
  throw new KmmError(
    `it has the media type "${type}", which is not a file system layer that can be read: push the image as an ordinary container image`,
    { code: 'ImageInvalid', fate: 'terminal' },
  )
}

/** Opens the tar in a layer: gzip, zstd or plain, told by its first bytes, because media types are often wrong. */
export async function openTarBytes(source: Readable): Promise<TarBytes> {
  const compression = detectCompression(await peek(source, 4))
  if (compression === 'none') return count(source, (chunks) => chunks)
  if (compression === 'gzip') return through(source, zlib.createGunzip({ chunkSize: chunkBytes }))
  // Node's own zstd, where it has one, ends after the first frame without a word; layers can have many.
  return count(source, decompressZstd)
}

function through(source: Readable, decompressor: Transform & zlib.Zlib): TarBytes {
  // An error after the compressed data ended has no reader any more; it comes by the pump.
  decompressor.on('error', () => {})
  const pumped = pump(source, decompressor)
  pumped.catch(() => {}) // Whoever reads the chunks gets the same error.
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of decompressor as AsyncIterable<Uint8Array>) yield chunk
      await pumped
    } finally {
      decompressor.destroy()
    }
  }
  return { chunks: chunks(), compressedBytes: () => decompressor.bytesWritten }
}

/**
 * Feeds the decompressor, and reads the source to its very end, also when the compressed data end before it: the source
 * compares its digest there. (A pipeline stops with the decompressor.)
 */
async function pump(source: Readable, decompressor: Transform): Promise<void> {
  let ended = false
  decompressor.once('end', () => {
    ended = true
  })
  try {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      if (ended || decompressor.destroyed) continue
      if (!decompressor.write(chunk)) await untilWritable(decompressor)
    }
    decompressor.end()
  } catch (error) {
    decompressor.destroy(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

function untilWritable(stream: Transform): Promise<void> {
  return new Promise((resolve) => {
    const events = ['drain', 'end', 'close'] as const
    const done = (): void => {
      for (const event of events) stream.off(event, done)
      resolve()
    }
    for (const event of events) stream.on(event, done)
  })
}

function count(source: Readable, convert: (chunks: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>): TarBytes {
  let bytes = 0
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of source as AsyncIterable<Uint8Array>) {
      bytes += chunk.byteLength
      yield chunk
    }
  }
  return { chunks: convert(counted()), compressedBytes: () => bytes }
}

async function peek(source: Readable, length: number): Promise<Buffer> {
  let head = Buffer.alloc(0)
  while (head.length < length && !source.readableEnded) {
    const chunk = source.read() as Buffer | null
    if (chunk !== null) head = Buffer.concat([head, chunk])
    else if (!source.readableEnded) await Promise.race([once(source, 'readable'), once(source, 'end')])
  }
  if (head.length > 0) source.unshift(head)
  return head
}

function detectCompression(head: Buffer): Compression {
  if (head.length >= 2 && head.readUInt16BE(0) === 0x1f8b) return 'gzip'
  if (head.length < 4) return 'none'
  const magic = head.readUInt32LE(0)
  // The second range is that of skippable frames, with which a zstd file may begin.
  return magic === 0xfd2fb528 || (magic & 0xfffffff0) >>> 0 === 0x184d2a50 ? 'zstd' : 'none'
}
