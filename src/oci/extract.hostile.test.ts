import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildZstdBomb, layerOf, layerOfBytes, storeAsZstd } from '../../test/layer-builder.ts'
import { buildTar, directory, file, hardLink, symbolicLink, type TestEntry } from '../../test/tar-builder.ts'
import { KmmError } from '../errors/error.ts'
import { type ExtractLimits, type ExtractReport, extractImage, type LayerSource } from './extract.ts'

const modules = 'opt/lib/modules/6.1.0'

let folder: string
let destination: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kmm-hostile-'))
  destination = join(folder, 'work', 'image')
  mkdirSync(join(folder, 'work'))
  writeFileSync(join(folder, 'canary'), 'alive')
})
afterEach(() => rmSync(folder, { recursive: true }))

const extract = (
  layers: LayerSource[],
  limits: Partial<ExtractLimits> = {},
  signal = new AbortController().signal,
): Promise<ExtractReport> =>
  extractImage({
    layers,
    destination,
    wanted: [`/${modules}`, '/firmware'],
    hostLink: '/host/lib/modules/6.1.0',
    limits,
    signal,
  })

/** Fails unless all that is left of an extraction is what was there before. */
function expectNothingLeft(): void {
  expect(existsSync(destination)).toBe(false)
  expect(readdirSync(join(folder, 'work'))).toEqual([])
  expect(readdirSync(folder).sort()).toEqual(['canary', 'work'])
  expect(readFileSync(join(folder, 'canary'), 'utf8')).toBe('alive')
}

async function expectRefusal(layers: LayerSource[], limits?: Partial<ExtractLimits>): Promise<KmmError> {
  const error: unknown = await extract(layers, limits).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(KmmError)
  expectNothingLeft()
  return error as KmmError
}

const good = file(`${modules}/good.ko`, 'good')

describe('an entry that is refused', () => {
  const cases: [string, TestEntry[], RegExp][] = [
    ['climbs out by ".."', [file('../../canary', 'dead')], /"\.\.\/\.\.\/canary".*contains "\.\."/],
    ['climbs out of a wanted tree', [file(`${modules}/../../../../../../canary`, 'dead')], /contains "\.\."/],
    ['climbs out below the root', [file('/../canary', 'dead')], /contains "\.\."/],
    ['climbs around and into a tree', [file(`x/../${modules}/a.ko`)], /contains "\.\."/],
    ['climbs by a PAX name', [{ name: 'x', pax: { path: `${modules}/../../x` } }], /contains "\.\."/],
    ['is a whiteout of its parent', [file(`${modules}/.wh...`, '')], /whiteout that hides no file/],
    ['is a whiteout of its directory', [file(`${modules}/.wh..`, '')], /whiteout that hides no file/],
    ['is a whiteout of nothing', [file(`${modules}/.wh.`, '')], /whiteout that hides no file/],
    [
      'writes through a link that was kept',
      [symbolicLink(`${modules}/host`, '/lib/modules/6.1.0'), file(`${modules}/host/evil.ko`)],
      /host\/evil\.ko".*writes through the link/,
    ],
    [
      'writes through a link inside',
      [file(`${modules}/d/x`), symbolicLink(`${modules}/l`, 'd'), file(`${modules}/l/x`)],
      /writes through the link/,
    ],
    [
      'writes through a link that was left out',
      [symbolicLink(`${modules}/out`, '/../..'), file(`${modules}/out/canary`)],
      /writes through the link/,
    ],
    [
      'makes a directory through a link',
      [symbolicLink(`${modules}/out`, '../../../../..'), directory(`${modules}/out/new/`)],
      /writes through the link/,
    ],
    [
      'hard-links through a link',
      [symbolicLink(`${modules}/l`, '.'), good, hardLink(`${modules}/l/x`, `${modules}/good.ko`)],
      /writes through the link/,
    ],
    ['lies below a file', [good, file(`${modules}/good.ko/x`)], /which is a file/],
    ['is a hard link out', [hardLink(`${modules}/passwd`, '/etc/passwd')], /outside of the directories/],
    ['is a hard link out by ".."', [hardLink(`${modules}/passwd`, '../../canary')], /contains "\.\."/],
    ['is a hard link to nothing', [hardLink(`${modules}/x`, `${modules}/y`)], /no file that was extracted/],
    ['is a hard link to a directory', [directory(`${modules}/d`), hardLink(`${modules}/x`, `${modules}/d`)], /no file/],
    [
      'is a hard link to its own directory',
      [file(`${modules}/d/x`), hardLink(`${modules}/d`, `${modules}/d/x`)],
      /own target/,
    ],
    ['is a character device', [{ name: `${modules}/null`, type: '3' }], /is a character device/],
    ['is a block device', [{ name: `${modules}/sda`, type: '4' }], /is a block device/],
    ['is a fifo', [{ name: `${modules}/fifo`, type: '6' }], /is a fifo/],
    ['is a sparse file of GNU tar', [{ name: `${modules}/s`, type: 'S', content: 'x' }], /file of an unknown kind/],
    ['is a sparse file by PAX', [{ name: `${modules}/s`, pax: { 'GNU.sparse.major': '1' } }], /is a sparse file/],
    ['has a name with a NUL', [{ name: 'x', pax: { path: `${modules}/a\0b` } }], /NUL character/],
    ['has too long a name', [file(`${modules}/${'d/'.repeat(600)}x`)], /longer than 1024 bytes/],
    ['has a part too long for a file system', [file(`${modules}/${'x'.repeat(300)}`)], /too long for the file system/],
  ]

  it.each(cases)('%s', async (_, entries, message) => {
    const error = await expectRefusal([layerOf(good), layerOf(good, ...entries)])
    expect(error).toMatchObject({ code: 'ImageInvalid', fate: 'terminal' })
    expect(error.message).toMatch(/^layer 2 of 2 \(sha256:/)
    expect(error.message).toMatch(message)
  })
})

describe('data that are refused', () => {
  const tar = buildTar([good, file('usr/large', Buffer.alloc(100_000, 'abc')), file(`${modules}/last.ko`, 'last')])
  const gzip = gzipSync(tar)
  const flip = (bytes: Buffer, at: number): Buffer => {
    const copy = Buffer.from(bytes)
    copy[at] = (copy[at] ?? 0) ^ 0xff
    return copy
  }
  const cases: [string, Buffer][] = [
    ['gzip that ends early', gzip.subarray(0, gzip.length - 12)],
    ['gzip without its checksum', gzip.subarray(0, gzip.length - 8)],
    ['gzip with a wrong checksum', flip(gzip, gzip.length - 6)],
    ['gzip with a damaged middle', flip(gzip, Math.floor(gzip.length / 2))],
    ['zstd that ends early', storeAsZstd(tar).subarray(0, 60_000)],
    ['zstd with a damaged block header', flip(storeAsZstd(tar), 9)],
    ['zstd followed by something else', Buffer.concat([storeAsZstd(tar), Buffer.alloc(40_000, 'garbage')])],
    ['a tar that ends in a file', tar.subarray(0, 50_000)],
    ['a tar that ends in a header', tar.subarray(0, 1200)],
    ['a tar with a damaged header', flip(tar, 1024 + 3)],
    [
      'a tar with a negative size',
      buildTar([{ ...good, corrupt: (header) => setSize(header, Buffer.alloc(12, 0xff)) }]),
    ],
    [
      'a tar with an endless size',
      buildTar([
        { ...good, corrupt: (header) => setSize(header, Buffer.from([0x80, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0])) },
      ]),
    ],
    ['something else', Buffer.alloc(100_000, 'this is no archive. ')],
  ]

  it.each(cases)('%s', async (_, bytes) => {
    const error = await expectRefusal([layerOf(good), layerOfBytes(bytes, 10_000)])
    expect(error).toMatchObject({ code: 'ImageInvalid' })
    expect(error.message).toMatch(/^layer 2 of 2 \(sha256:.*truncated or corrupted/)
  })

  it('a layer whose stream fails keeps that error’s code and leaves nothing', async () => {
    const layer: LayerSource = {
      ...layerOf(good),
      open: () => {
        function* broken(): Generator<Buffer> {
          yield gzip.subarray(0, gzip.length - 20)
          throw new KmmError('the connection broke', { code: 'RegistryUnreachable' })
        }
        return Promise.resolve(Readable.from(broken(), { objectMode: false }))
      },
    }
    expect(await expectRefusal([layer])).toMatchObject({ code: 'RegistryUnreachable', fate: 'retry' })
  })

  it('a layer is read to its end, where its digest is checked, whatever follows the archive', async () => {
    const layer: LayerSource = {
      ...layerOf(good),
      open: () => {
        async function* longer(): AsyncGenerator<Buffer> {
          yield Buffer.concat([gzip, Buffer.alloc(100)])
          for (let piece = 0; piece < 40; piece += 1) yield Buffer.alloc(64 * 1024)
          throw new KmmError('the digest differs', { code: 'RegistryUnreachable' })
        }
        return Promise.resolve(Readable.from(longer(), { objectMode: false }))
      },
    }
    expect((await expectRefusal([layer])).message).toMatch(/the digest differs/)
  })

  it('a layer of an unknown kind', async () => {
    const layer = layerOf(good)
    const error = await expectRefusal([
      { ...layer, descriptor: { ...layer.descriptor, mediaType: 'application/vnd.oci.image.layer.v1.tar+encrypted' } },
    ])
    expect(error.message).toMatch(/media type.*encrypted/)
  })
})

function setSize(header: Buffer, size: Buffer): void {
  size.copy(header, 124)
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
}

describe('limits', () => {
  it.each<[string, TestEntry[], Partial<ExtractLimits>, RegExp]>([
    ['entries', [1, 2, 3].map((n) => file(`${modules}/${n}`)), { entries: 6 }, /more than 6 entries/],
    ['entries of one long path', [file(`${modules}/${'d/'.repeat(100)}x`)], { entries: 50 }, /more than 50 entries/],
    [
      'bytes',
      [file(`${modules}/a`, 'x'.repeat(600)), file(`${modules}/b`, 'x'.repeat(600))],
      { bytes: 1000 },
      /1000 bytes/,
    ],
    ['entries that are skipped', [file('a'), file('b'), file('c')], { scannedEntries: 2 }, /more than 2 entries/],
    ['bytes that are skipped', [file('a', Buffer.alloc(100_000))], { scannedBytes: 50_000 }, /more than 50000 bytes/],
  ])('on %s end the extraction', async (_, entries, limits, message) => {
    const error = await expectRefusal([layerOf(...entries)], limits)
    expect(error).toMatchObject({ code: 'LimitExceeded', fate: 'terminal' })
    expect(error.message).toMatch(message)
  })

  it.each([
    ['gzip', gzipSync(buildTar([file('usr/zeros', Buffer.alloc(40 * 1024 * 1024))]))],
    ['zstd', buildZstdBomb(300)],
  ])('on the ratio end a %s bomb, wherever it lies', async (_, bytes) => {
    const error = await expectRefusal([layerOfBytes(bytes)])
    expect(error).toMatchObject({ code: 'LimitExceeded' })
    expect(error.message).toMatch(/more than 200 times its size/)
  })
})

describe('an extraction', () => {
  it('that is stopped while the registry hangs leaves nothing', async () => {
    const stop = new AbortController()
    const hanging: LayerSource = {
      ...layerOf(good),
      open: () => {
        const stream = new Readable({ read: () => {} })
        stream.push(gzipSync(buildTar([good])).subarray(0, 20))
        setImmediate(() => stop.abort())
        return Promise.resolve(stream)
      },
    }
    await expect(extract([layerOf(good), hanging], {}, stop.signal)).rejects.toMatchObject({ code: 'Aborted' })
    expectNothingLeft()
  })

  it('never uses a destination that is there already', async () => {
    mkdirSync(destination)
    writeFileSync(join(destination, 'precious'), 'x')
    await expect(extract([layerOf(good)])).rejects.toThrow(/could not be written/)
    expect(readdirSync(destination)).toEqual(['precious'])
  })

  it('of any entries in any order lets nothing out', { timeout: 60_000 }, async () => {
    const part = fc.constantFrom(
      'opt',
      'lib',
      'modules',
      '6.1.0',
      'firmware',
      'x',
      'y',
      '.wh.x',
      '.wh..wh..opq',
      '..',
      '.',
    )
    const path = fc.oneof(
      fc.array(part, { minLength: 1, maxLength: 7 }).map((parts) => parts.join('/')),
      fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => `${modules}/${parts.join('/')}`),
    )
    const entry = fc.record({
      name: path,
      type: fc.constantFrom('0', '1', '2', '2', '5'),
      linkName: fc.oneof(
        path,
        path.map((target) => `/${target}`),
        fc.constant('../../../../../../../../tmp'),
      ),
    })
    const layers = fc.array(fc.array(entry, { maxLength: 8 }), { minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(layers, async (all) => {
        await extract(all.map((entries) => layerOf(...entries.filter((each) => !each.name.includes('..'))))).catch(
          (error: unknown) => {
            if (!(error instanceof KmmError) || error.code === 'Internal') throw error
          },
        )
        for (const path of existsSync(destination) ? listFiles(destination) : []) expectInside(path)
        rmSync(destination, { recursive: true, force: true })
        expectNothingLeft()
      }),
      { numRuns: 300 },
    )
  })
})

/** Everything below a folder. Without file types, Node.js would go through links to folders, round and round. */
function listFiles(folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.map(({ parentPath, name }) => join(parentPath, name))
}

/** A link must lead to something below the destination, to the host's modules, or nowhere. */
function expectInside(path: string): void {
  if (!lstatSync(path).isSymbolicLink()) return
  const real = findRealPath(path)
  expect(
    real === undefined ||
      real === destination ||
      real.startsWith(`${destination}/`) ||
      real.startsWith('/host/lib/modules/6.1.0'),
  ).toBe(true)
}

function findRealPath(path: string): string | undefined {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}
