import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InspectMeter } from './inspect-limits.ts'
import { type InspectedModule, inspectModule } from './inspect-module.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-module-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const plain = readFileSync('examples/kmod/prebuilt/6.1.0-56-amd64/kmm_demo.ko')

async function inspect(data: Uint8Array, meter: InspectMeter): Promise<InspectedModule> {
  const file = join(folder, 'a.ko')
  writeFileSync(file, data)
  return inspectModule(file, { name: 'a', path: '/a.ko' }, { certificate: undefined, meter })
}

describe('a module', () => {
  it('that is larger than what is read is not read', async () => {
    const file = join(folder, 'huge.ko')
    writeFileSync(file, '')
    // More than Node reads at once: only its size may be asked for.
    truncateSync(file, 5 * 1024 ** 3)
    const options = { certificate: undefined, meter: new InspectMeter() }
    const { problem } = await inspectModule(file, { name: 'huge', path: '/huge.ko' }, options)
    expect(problem).toMatch(/^the module file is larger than \d+ bytes$/)
  })

  it('is no directory, to which a link of its name may lead', async () => {
    const file = join(folder, 'directory.ko')
    mkdirSync(file)
    const options = { certificate: undefined, meter: new InspectMeter() }
    const { problem, info } = await inspectModule(file, { name: 'directory', path: '/directory.ko' }, options)
    expect([problem, info]).toEqual(['it is no file', undefined])
  })

  it('is bounded when decompressed as well', async () => {
    const meter = new InspectMeter({ moduleBytes: plain.byteLength - 1 })
    const { problem, info } = await inspect(gzipSync(plain), meter)
    expect(problem).toMatch(/larger than \d+ bytes when decompressed/)
    expect(info).toBeUndefined()
  })

  it.each([
    ['bytes', { bytes: plain.byteLength * 2 }, /decompress to more than \d+ bytes/],
    ['words about itself', { infoBytes: 800 }, /more than 800 bytes of \.modinfo/],
  ])('too many with too many %s are refused', async (_what, limits, words) => {
    const meter = new InspectMeter(limits)
    for (let at = 0; at < 2; at += 1) expect((await inspect(gzipSync(plain), meter)).info).toBeDefined()
    await expect(inspect(gzipSync(plain), meter)).rejects.toMatchObject({
      code: 'LimitExceeded',
      message: expect.stringMatching(words),
    })
  })
})
