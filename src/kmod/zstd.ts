import { ZSTDDecoder } from 'zstddec'
import { moduleFileInvalid } from './invalid.ts'

const frameMagic = 0xfd2fb528
const skippableMagic = 0x184d2a50
const largestBlockBytes = 128 * 1024

/**
 * Decompresses Zstandard frames, at most `limitBytes` in all. Not by Node's own zstd, where it has one: that ends after the
 * first frame without a word.
 */
export async function decompressZstd(data: Uint8Array, limitBytes: number): Promise<Uint8Array> {
  const largest = measureZstd(data)
  // A block is an upper bound only, so a file may claim a little more than it holds.
  if (largest - largestBlockBytes > limitBytes)
    throw moduleFileInvalid(`is larger than ${limitBytes} bytes when decompressed`)
  const decoder = new ZSTDDecoder()
  await decoder.init()
  // The library tells no error from an empty result, and its streaming form never ends on damaged data.
  const plain = decoder.decode(data, Math.max(largest, 1))
  if (plain.byteLength > limitBytes) throw moduleFileInvalid(`is larger than ${limitBytes} bytes when decompressed`)
  if (plain.byteLength === 0) throw moduleFileInvalid('is damaged: its zstd data cannot be decompressed')
  return plain
}

/** An upper bound of the decompressed size, from the headers of frames and blocks alone (RFC 8878, section 3). */
export function measureZstd(data: Uint8Array): number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  let total = 0
  let position = 0
  try {
    while (position < data.byteLength) {
      const magic = view.getUint32(position, true)
      if ((magic & 0xfffffff0) === skippableMagic) {
        position += 8 + view.getUint32(position + 4, true)
        continue
      }
      if (magic !== frameMagic) throw moduleFileInvalid('is damaged: it has no zstd frame where one has to be')
      const frame = measureFrame(view, position)
      total += frame.bytes
      position = frame.end
    }
  } catch (error) {
    if (error instanceof RangeError) throw moduleFileInvalid('is damaged: its zstd data ends too early', error)
    throw error
  }
  return total
}

interface MeasuredFrame {
  bytes: number
  end: number
}

function measureFrame(view: DataView, start: number): MeasuredFrame {
  const descriptor = view.getUint8(start + 4)
  const singleSegment = (descriptor & 0x20) !== 0
  const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0
  let position = start + 5 + (singleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes
  let bytes = 0
  for (let last = false; !last; ) {
    const header = view.getUint8(position) | (view.getUint8(position + 1) << 8) | (view.getUint8(position + 2) << 16)
    last = (header & 1) === 1
    const type = (header >> 1) & 3
    const size = header >> 3
    // 0: stored bytes, 1: one byte repeated, 2: compressed, whose size says nothing of the result's.
    bytes += type === 2 ? largestBlockBytes : Math.min(size, largestBlockBytes)
    position += 3 + (type === 1 ? 1 : size)
  }
  return { bytes, end: position + ((descriptor & 4) !== 0 ? 4 : 0) }
}
