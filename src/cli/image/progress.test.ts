import { Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import type { Registry } from '../../oci/registry.ts'
import { createProgress, formatBytes } from './progress.ts'

const serve = (chunks: readonly Buffer[]): Registry =>
  ({ openBlob: () => Promise.resolve(Readable.from(chunks, { objectMode: false })) }) as unknown as Registry

async function read(registry: Registry): Promise<Buffer> {
  const chunks: Buffer[] = []
  const stream = await registry.openBlob({} as never, {} as never)
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('progress', () => {
  const chunks = [Buffer.alloc(1_500_000, 'a'), Buffer.alloc(500_000, 'b')]

  it('shows bytes and speed on a terminal once a pull takes long, and clears the line', async () => {
    let [now, shown] = [0, '']
    const progress = createProgress({
      isTerminal: true,
      write: (text) => {
        shown += text
      },
      now: () => (now += 600),
    })
    expect((await read(progress.watch(serve(chunks)))).equals(Buffer.concat(chunks))).toBe(true)
    expect(shown).toMatch(/2\.0 MB read, \d+\.\d kB\/s|2\.0 MB read, \d\.\d MB\/s/)
    progress.end()
    expect(shown.endsWith('\r\u001b[K')).toBe(true)
  })

  it('is silent elsewhere', async () => {
    const registry = serve(chunks)
    const progress = createProgress({ isTerminal: false, write: () => expect.unreachable(), now: () => 1e9 })
    expect(progress.watch(registry)).toBe(registry)
    await read(registry)
    progress.end()
  })

  it('passes on that a source broke', async () => {
    const broken = {
      openBlob: () =>
        Promise.resolve(
          new Readable({
            read() {
              this.destroy(new Error('broken'))
            },
          }),
        ),
    } as unknown as Registry
    const progress = createProgress({ isTerminal: true, write: () => undefined, now: () => 0 })
    await expect(read(progress.watch(broken))).rejects.toThrow('broken')
  })

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [12_345_678, '12.3 MB'],
    [5e12, '5000.0 GB'],
  ])('writes %i bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
