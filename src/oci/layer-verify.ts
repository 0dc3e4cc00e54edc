import { Readable } from 'node:stream'
import { KmmError } from '../errors/error.ts'
import { createDigestHash } from './digest.ts'
import type { LayerDescriptor } from './layer-source.ts'

/**
 * Passes a layer's bytes on, and ends only when their number and digest are right. Otherwise the stream fails with
 * `ImageInvalid`, after `onMismatch` was called. `place` says in the message where the bytes came from.
 */
export function verifyLayer(
  source: Readable,
  descriptor: LayerDescriptor,
  place: string,
  onMismatch?: () => Promise<void>,
): Readable {
  async function* verified(): AsyncGenerator<Buffer> {
    const hash = createDigestHash(descriptor.digest)
    let size = 0
    for await (const chunk of source as AsyncIterable<Buffer>) {
      size += chunk.length
      hash.update(chunk)
      yield chunk
    }
    const digest = `${descriptor.digest.split(':')[0]}:${hash.digest('hex')}`
    if (size === descriptor.size && digest === descriptor.digest) return
    await onMismatch?.()
    throw new KmmError(
      `${place} holds ${size} bytes with the digest ${digest} for the layer ${descriptor.digest} of ${descriptor.size} bytes: the copy is damaged`,
      { code: 'ImageInvalid' },
    )
  }
  const stream = Readable.from(verified(), { objectMode: false, highWaterMark: 64 * 1024 })
  stream.once('close', () => source.destroy())
  return stream
}
