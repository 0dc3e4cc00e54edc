import { KmmError } from '../errors/error.ts'

const newline = 0x0a

/**
 * Splits a stream of bytes into lines, wherever its chunks end. Empty lines are passed over; the last line needs no
 * end. Throws `LimitExceeded` when a line is longer than `maxLineBytes`.
 */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = []
  let length = 0
  const add = (part: Uint8Array): void => {
    length += part.length
    if (length > maxLineBytes)
      throw new KmmError(`a line of the answer is longer than ${maxLineBytes} bytes`, { code: 'LimitExceeded' })
    if (part.length > 0) parts.push(part)
  }
  const take = (): string => {
    const line = Buffer.concat(parts).toString('utf8').trim()
    parts = []
    length = 0
    return line
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end))
      const line = take()
      if (line !== '') yield line
      start = end + 1
    }
    add(chunk.subarray(start))
  }
  const rest = take()
  if (rest !== '') yield rest
}
