import { randomBytes } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { crc32 as zlibCrc32, gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { compressModule } from './compress.ts'
import { type ModuleCompression, decompressModule, detectCompression } from './compression.ts'
import { crc32 } from './crc32.ts'
import { storeAsZstd } from './zstd-store.ts'

const sizes = [0, 1, 65_535, 65_536, 65_537, 131_072, 400_001]
const kinds: readonly ModuleCompression[] = ['none', 'gzip', 'xz', 'zstd']

describe.each(kinds)('a module packed as %s', (kind) => {
  it.each(sizes.filter((size) => size > 0))('of %i bytes is read back', async (size) => {
    const data = randomBytes(size)
    // Bytes of chance may begin as a packed file does.
    data[0] = 0
    const packed = await compressModule(data, kind)
    expect(detectCompression(packed)).toBe(kind)
    expect(Buffer.compare(await decompressModule(packed), data)).toBe(0)
  })
})

// The programs of the distributions, where this machine has them, are stricter readers than ours.
const programs: [string, string[]][] = [
  ['xz', ['--test']],
  ['zstd', ['--test', '--quiet', '--long=20']],
]
describe.each(programs.filter(([name]) => spawnSync(name, ['--version']).status === 0))('%s itself', (name, args) => {
  it.each(sizes)('takes %i bytes that were stored', async (size) => {
    const data = randomBytes(size)
    const packed = name === 'xz' ? await compressModule(data, 'xz') : storeAsZstd(data)
    const result = spawnSync(name, args, { input: packed })
    expect(result.stderr.toString()).toBe('')
    expect(result.status).toBe(0)
    expect(spawnSync(name, ['--decompress', '--stdout'], { input: packed }).stdout.equals(data)).toBe(true)
  })
})

it('packs gzip without a date, so that the same module gives the same bytes', async () => {
  const packed = Buffer.from(await compressModule(Buffer.from('module'), 'gzip'))
  expect(packed.readUInt32LE(4)).toBe(0)
  expect(gunzipSync(packed).toString()).toBe('module')
})

it('computes the CRC-32 of the standard', () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926)
  const data = randomBytes(1000)
  if (typeof zlibCrc32 === 'function') expect(crc32(data)).toBe(zlibCrc32(data))
})
