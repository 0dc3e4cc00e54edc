import { ZSTDDecoder } from 'zstddec/stream'

/** Takes one chunk after the other out of an array that is filled from outside. */
class ChunkQueue implements Iterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = []
  taken = 0
  lastLength = 0

  get isEmpty(): boolean {
    return this.#chunks.length === 0
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk)
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) {
      this.taken += 1
      this.lastLength = chunk.byteLength
      yield chunk
    }
  }
}

/** The decoder reports no errors of the format: it goes on, without any output. This counts how long. */
class StallGuard {
  #chunk = 0
  #empty = 0

  check(output: Uint8Array, queue: ChunkQueue): void {
    if (output.byteLength > 0 || queue.taken !== this.#chunk) this.#empty = 0
    this.#chunk = queue.taken
    this.#empty += output.byteLength === 0 ? 1 : 0
    // The smallest frame takes some nine bytes, so more empty steps than this cannot be progress.
    if (this.#empty > queue.lastLength / 8 + 16) {
      throw new Error('invalid zstd data')
    }
  }
}

/**
 * Decompresses zstd, all frames of it. One chunk is taken from `source` for each that the decoder
 * asks for, so that memory stays bounded by the decoder's window.
 */
export async function* decompressZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new ZSTDDecoder()
  await decoder.init()
  const queue = new ChunkQueue()
  const guard = new StallGuard()
  const outputs = decoder.decodeStreaming(queue)
  for await (const chunk of source) {
    if (chunk.byteLength === 0) continue
    queue.push(chunk)
    // A step takes at most one chunk, and asks for it synchronously: step only while one is there.
    while (!queue.isEmpty) {
      const step = outputs.next()
      if (step.done === true) break
      guard.check(step.value, queue)
      if (step.value.byteLength > 0) yield step.value
    }
  }
  for (const output of outputs) {
    guard.check(output, queue)
    if (output.byteLength > 0) yield output
  }
}
