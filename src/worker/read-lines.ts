import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/**
 * Splits a program's output into lines in bounded memory: of a line with more than about twice `longest` characters the end is dropped.
 * Ends with the stream, also where it fails: a program that could not be started says so by its own event.
 */
export async function readLines(stream: Readable, longest: number, onLine: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8')
  let open = ''
  const take = (text: string): void => {
    const parts = text.split('\n')
    for (const [index, part] of parts.entries()) {
      if (open.length < longest) open += part.slice(0, longest)
      if (index === parts.length - 1) break
      onLine(open)
      open = ''
    }
  }
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) take(decoder.write(chunk))
  } catch {
    // The program could not be started; its own event says so.
  }
  if (open !== '') onLine(open)
}
