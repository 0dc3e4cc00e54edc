import { addAbortSignal } from 'node:stream'
import { KmmError } from '../errors/error.ts'
import type { ExtractMeter } from './extract-limits.ts'
import { checkLayerMediaType, openTarBytes } from './layer-decompress.ts'
import type { LayerSource } from './layer-source.ts'
import { type OnTarEntry, readTar } from './tar-reader.ts'

/** One layer to read from its first to its last entry. */
export interface LayerReading {
  layer: LayerSource
  /** The layer's place in its image, from 1, and how many there are: for messages. */
  position: { number: number; of: number }
  /** Counts what is read; an image that is too large or a decompression bomb fails with LimitExceeded. */
  meter: ExtractMeter
  onEntry: OnTarEntry
  signal: AbortSignal
}

/**
 * Reads all entries of a layer, verified to its end, in pieces. Fails with `ImageInvalid` or `LimitExceeded`, naming layer and
 * entry; with what opening or reading the layer throws; with `OutOfSpace`; with `Aborted`.
 */
export async function readLayer({ layer, position, meter, onEntry, signal }: LayerReading): Promise<void> {
  const { descriptor } = layer
  let entryName: string | undefined
  try {
    checkLayerMediaType(descriptor)
    const source = addAbortSignal(signal, await layer.open(signal))
    source.on('error', () => {}) // Whoever reads it gets the same error.
    try {
      const bytes = await openTarBytes(source)
      await readTar(meterChunks(bytes, meter), (entry) => {
        entryName = entry.name
        return onEntry(entry)
      })
    } finally {
      source.destroy()
    }
  } catch (error) {
    if (signal.aborted) throw new KmmError('extraction was stopped', { code: 'Aborted', cause: error })
    throw describeLayerError(error, { ...position, digest: descriptor.digest, entryName })
  }
}

async function* meterChunks(
  bytes: { chunks: AsyncIterable<Uint8Array>; compressedBytes(): number },
  meter: ExtractMeter,
): AsyncGenerator<Uint8Array> {
  let unpacked = 0
  for await (const chunk of bytes.chunks) {
    unpacked += chunk.byteLength
    meter.addScannedBytes(chunk.byteLength)
    meter.checkRatio(unpacked, bytes.compressedBytes())
    yield chunk
  }
}

interface LayerContext {
  number: number
  of: number
  digest: string
  entryName: string | undefined
}

/** Names layer and entry in what went wrong; a registry's own errors keep their code. */
function describeLayerError(error: unknown, context: LayerContext): KmmError {
  const known = error instanceof KmmError ? error : describeFileError(error)
  const entry = context.entryName === undefined ? '' : `, entry ${JSON.stringify(context.entryName.slice(0, 256))}`
  const place = `layer ${context.number} of ${context.of} (${context.digest.slice(0, 19)})${entry}`
  return new KmmError(`${place}: ${known.message}`, { code: known.code, fate: known.fate, cause: known.cause })
}

/** Says what it means that a file could not be written, or that an archive could not be read. */
export function describeFileError(error: unknown): KmmError {
  const code = (error as NodeJS.ErrnoException | null)?.code
  const isSystemError = typeof (error as NodeJS.ErrnoException | null)?.syscall === 'string'
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new KmmError('no space is left for the extracted files: free some on the node', {
      code: 'OutOfSpace',
      cause: error,
    })
  }
  if (code === 'ENAMETOOLONG') {
    return new KmmError('its name is too long for the file system', { code: 'ImageInvalid', fate: 'terminal' })
  }
  if (isSystemError) return new KmmError('a file could not be written', { code: 'Internal', cause: error })
  return new KmmError('its data are truncated or corrupted; push the image again', {
    code: 'ImageInvalid',
    fate: 'terminal',
    cause: error,
  })
}
