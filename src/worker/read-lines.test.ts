import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { readLines } from './read-lines.ts'

async function split(chunks: Iterable<Buffer>, longest: number): Promise<string[]> {
  const lines: string[] = []
  await readLines(Readable.from(chunks), longest, (line) => lines.push(line))
  return lines
}

describe('readLines', () => {
  it('puts together what came in pieces, characters too', async () => {
    const bytes = Buffer.from('größer\nzweite\n\nlast')
    expect(
      await split(
        Array.from(bytes, (byte) => Buffer.of(byte)),
        100,
      ),
    ).toEqual(['größer', 'zweite', '', 'last'])
  })

  it('keeps a bounded part of a line that does not end', async () => {
    const [line = '', after] = await split(
      [...Array<Buffer>(1_000).fill(Buffer.alloc(999, 'x')), Buffer.from('\nnext\n')],
      1_000,
    )
    expect(line.length).toBeLessThanOrEqual(2_000)
    expect(after).toBe('next')
  })

  it('ends with a stream that fails', async () => {
    const failing = new Readable({
      read() {
        this.destroy(new Error('gone'))
      },
    })
    await expect(readLines(failing, 10, () => undefined)).resolves.toBeUndefined()
  })
})
