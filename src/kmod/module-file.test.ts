import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { decompressModule, detectCompression } from './compression.ts'
import { readElf } from './elf.ts'
import { parseModinfo, readModuleFile, readModuleInfo } from './modinfo.ts'
import { findAppendedSignature } from './signature.ts'
import { isBuiltFor, parseVermagic } from './vermagic.ts'
import { measureZstd } from './zstd.ts'

const releases = ['6.1.0-55-amd64', '6.1.0-56-amd64'] as const
const readPrebuilt = (file: string) => readFileSync(`examples/kmod/${file}`)
const readTestdata = (file: string) => readFileSync(`src/kmod/testdata/${file}`)
const plain = readPrebuilt('prebuilt/6.1.0-56-amd64/kmm_demo_dep.ko')
const compressed = {
  gzip: gzipSync(plain),
  xz: readTestdata('kmm_demo_dep.ko.xz'),
  zstd: readTestdata('kmm_demo_dep.ko.zst'),
}
const forms = Object.entries(compressed)
const invalid = expect.objectContaining({ code: 'ModuleFileInvalid', fate: 'terminal' })

/** The answer, or undefined after ModuleFileInvalid; any other error is thrown on. */
function tryRead<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof KmmError && error.code === 'ModuleFileInvalid') return undefined
    throw error
  }
}

async function tryReadAsync<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    return tryRead(() => {
      throw error
    })
  }
}

describe('reading a module file', () => {
  it.each(releases)('finds what the compiler wrote for %s', (release) => {
    expect(readModuleInfo(readPrebuilt(`prebuilt/${release}/kmm_demo.ko`))).toEqual({
      name: 'kmm_demo',
      version: '1.0',
      srcversion: '51C70DE0189E60AD8A75277',
      license: 'GPL',
      description: "KMM example: greets in the kernel's log",
      vermagic: `${release} SMP preempt mod_unload modversions`,
      depends: ['kmm_demo_dep'],
      firmware: [],
      aliases: [],
      parameters: [
        { name: 'greeting', type: 'charp', description: 'what to say' },
        { name: 'count', type: 'int', description: 'how many times to greet, from 0 to 100' },
      ],
      inTree: false,
      architecture: 'amd64',
      signature: undefined,
    })
  })

  it('finds firmware files, and another srcversion in the second version', () => {
    expect(readModuleInfo(readPrebuilt('prebuilt/6.1.0-56-amd64/kmm_demo_fw.ko')).firmware).toEqual(['kmm/demo.bin'])
    const second = readModuleInfo(readPrebuilt('prebuilt-v2/6.1.0-56-amd64/kmm_demo.ko'))
    expect(second).toMatchObject({ name: 'kmm_demo', version: '2.0' })
    expect(second.srcversion).not.toBe('51C70DE0189E60AD8A75277')
  })

  it.each(forms)('reads a module compressed with %s as the plain one', async (kind, data) => {
    expect(detectCompression(data)).toBe(kind)
    expect(Buffer.compare(await decompressModule(data), plain)).toBe(0)
    expect(await readModuleFile(data)).toEqual(readModuleInfo(plain))
  })

  it.each([...forms, ['none', plain] as const])('refuses a module larger than the limit (%s)', async (_kind, data) => {
    await expect(decompressModule(data, plain.byteLength - 1)).rejects.toThrow('is larger than')
    expect((await decompressModule(data, plain.byteLength)).byteLength).toBe(plain.byteLength)
  })

  it.each(forms)('refuses truncated %s data', async (_kind, data) => {
    for (const length of [7, 20, data.byteLength >> 1, data.byteLength - 13, data.byteLength - 1]) {
      await expect(decompressModule(data.subarray(0, length))).rejects.toEqual(invalid)
    }
  })

  it.each(forms)('refuses %s data that is no module', async (kind) => {
    const magic = compressed[kind as keyof typeof compressed].subarray(0, 6)
    await expect(readModuleFile(Buffer.concat([magic, Buffer.alloc(200, 0xaa)]))).rejects.toEqual(invalid)
  })

  it('bounds zstd data by its headers, whatever they claim', () => {
    expect(measureZstd(compressed.zstd)).toBeGreaterThanOrEqual(plain.byteLength)
    const frame = (...rest: number[]) => Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00, ...rest)
    // One block that repeats a byte two million times over, and claims to be the last.
    expect(measureZstd(frame(0xfb, 0xff, 0xff, 0x00))).toBe(128 * 1024)
    expect(measureZstd(Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9))).toBe(0)
    expect(() => measureZstd(frame(0x00))).toThrow(invalid)
    expect(() => measureZstd(Uint8Array.of(1, 2, 3, 4))).toThrow(invalid)
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['text', Buffer.from('#!/bin/sh\n'.repeat(20))],
    ['a program', readFileSync(process.execPath).subarray(0, 64)],
    ['an ELF header alone', plain.subarray(0, 64)],
    ['half a module', plain.subarray(0, plain.byteLength >> 1)],
  ])('refuses %s', async (_title, data) => {
    await expect(readModuleFile(data)).rejects.toEqual(invalid)
  })

  it('reads the section names that it is asked for and no others', () => {
    const object = readElf(plain)
    expect(object.findSection('.modinfo')).toBeDefined()
    expect(object.findSection('.gnu.linkonce.this_module')).toBeDefined()
    expect(object.findSection('.mod')).toBeUndefined()
    expect(object.findSection('.bss')).toBeUndefined()
  })

  it('reads 32-bit and big-endian modules', () => {
    const names = Buffer.from('\0.modinfo\0.names\0')
    const modinfo = Buffer.from('license=GPL\0name=tiny-one\0intree=Y\0depends=a-b,,c\0')
    expect(readModuleInfo(buildElf({ wide: false, little: true, machine: 40, names, modinfo }))).toMatchObject({
      name: 'tiny_one',
      architecture: 'arm',
      inTree: true,
      depends: ['a_b', 'c'],
    })
    expect(readModuleInfo(buildElf({ wide: true, little: false, machine: 22, names, modinfo })).architecture).toBe(
      's390x',
    )
    expect(readModuleInfo(buildElf({ wide: false, little: false, machine: 9_999, names, modinfo })).architecture).toBe(
      undefined,
    )
  })

  it('splits .modinfo at zero bytes and the first equals sign', () => {
    const fields = parseModinfo(Buffer.from('a=1\0\0b=x=y\0=z\0noequals\0a=2'))
    expect([...fields]).toEqual([
      ['a', ['1', '2']],
      ['b', ['x=y']],
    ])
  })
})

describe('an appended signature', () => {
  const signed = readTestdata('kmm_demo_dep.signed.ko')

  it('is found in what sign-file wrote, with the bytes that it covers', () => {
    const signature = findAppendedSignature(signed)
    expect(signature?.form).toBe('PKCS#7')
    expect(Buffer.compare(signed.subarray(0, signature?.signedBytes), plain)).toBe(0)
    // A DER sequence.
    expect(signature?.signature[0]).toBe(0x30)
    expect(readModuleInfo(signed)).toEqual({ ...readModuleInfo(plain), signature })
  })

  it('is not found in an unsigned module, nor when the marker was cut', () => {
    expect(findAppendedSignature(plain)).toBeUndefined()
    expect(findAppendedSignature(signed.subarray(0, -1))).toBeUndefined()
    expect(findAppendedSignature(Buffer.alloc(0))).toBeUndefined()
  })

  it.each([
    ['of no length', 0],
    ['longer than the file', signed.byteLength],
    ['of absurd length', 0xffffffff],
  ])('%s is refused', (_title, length) => {
    const damaged = Buffer.from(signed)
    damaged.writeUInt32BE(length, damaged.byteLength - 28 - 4)
    expect(() => findAppendedSignature(damaged)).toThrow(invalid)
  })

  it('of an unknown form, or with nothing before its marker, is refused', () => {
    const damaged = Buffer.from(signed)
    damaged[damaged.byteLength - 28 - 10] = 9
    expect(() => findAppendedSignature(damaged)).toThrow(invalid)
    expect(() => findAppendedSignature(signed.subarray(-28))).toThrow(invalid)
  })
})

describe('hostile module files', () => {
  const signed = readTestdata('kmm_demo_dep.signed.ko')

  it('never make reading throw anything but ModuleFileInvalid: random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, withMagic) => {
        const data = withMagic ? Buffer.concat([plain.subarray(0, 20), bytes]) : bytes
        tryRead(() => readModuleInfo(data))
        tryRead(() => measureZstd(withMagic ? Buffer.concat([compressed.zstd.subarray(0, 4), bytes]) : bytes))
      }),
      { numRuns: 2_000 },
    )
  })

  it('never make reading throw anything but ModuleFileInvalid: flipped bytes', () => {
    const flips = fc.array(fc.tuple(fc.nat(signed.byteLength - 1), fc.nat(255)), { minLength: 1, maxLength: 12 })
    // The header, the table of sections and the signature's record are where damage hurts.
    const weak = fc.array(
      fc.tuple(fc.oneof(fc.nat(63), fc.integer({ min: 6_000, max: signed.byteLength - 1 })), fc.nat(255)),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(fc.oneof(flips, weak), (changes) => {
        const data = Buffer.from(signed)
        for (const [at, value] of changes) data[at] = value
        const info = tryRead(() => readModuleInfo(data))
        if (info !== undefined) expect(Array.isArray(info.depends)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  it('never make decompression throw anything but ModuleFileInvalid, hang, or pass the limit', async () => {
    const change = fc.tuple(fc.nat(1_400), fc.nat(255))
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...forms),
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.option(fc.nat(1_400), { nil: undefined }),
        async ([, form], changes, cut) => {
          const data = Buffer.from(form.subarray(0, cut))
          for (const [at, value] of changes) if (at < data.byteLength) data[at] = value
          const result = await tryReadAsync(() => decompressModule(data, 10_000))
          if (result !== undefined) expect(result.byteLength).toBeLessThanOrEqual(10_000)
        },
      ),
      { numRuns: 600 },
    )
  })
})

describe('vermagic', () => {
  it('is taken apart', () => {
    expect(parseVermagic('6.1.0-56-amd64 SMP preempt mod_unload modversions ')).toEqual({
      release: '6.1.0-56-amd64',
      flags: ['SMP', 'preempt', 'mod_unload', 'modversions'],
    })
    expect(parseVermagic(' ')).toBeUndefined()
  })

  it('names one kernel', () => {
    expect(isBuiltFor('6.1.0-56-amd64 SMP', '6.1.0-56-amd64')).toBe(true)
    expect(isBuiltFor('6.1.0-56-amd64 SMP', '6.1.0-55-amd64')).toBe(false)
    expect(isBuiltFor('', '')).toBe(false)
  })
})

interface TinyElf {
  wide: boolean
  little: boolean
  machine: number
  names: Buffer
  modinfo: Buffer
}

/** A relocatable object of three sections: the empty one, `.modinfo` and the names. */
function buildElf({ wide, little, machine, names, modinfo }: TinyElf): Buffer {
  // Places of the table's address, its numbers, and of offset and size in an entry.
  const at = wide
    ? { header: 64, entry: 64, table: 40, numbers: 58, offset: 24, size: 32 }
    : { header: 52, entry: 40, table: 32, numbers: 46, offset: 16, size: 20 }
  const table = at.header + modinfo.byteLength + names.byteLength
  const data = Buffer.alloc(table + 3 * at.entry)
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const setAddress = (place: number, value: number) =>
    wide ? view.setBigUint64(place, BigInt(value), little) : view.setUint32(place, value, little)
  data.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, little ? 1 : 2, 1])
  view.setUint16(16, 1, little)
  view.setUint16(18, machine, little)
  setAddress(at.table, table)
  for (const [index, value] of [at.entry, 3, 2].entries()) view.setUint16(at.numbers + index * 2, value, little)
  data.set(modinfo, at.header)
  data.set(names, at.header + modinfo.byteLength)
  const sections = [
    { name: 1, offset: at.header, size: modinfo.byteLength },
    { name: 10, offset: at.header + modinfo.byteLength, size: names.byteLength },
  ]
  for (const [index, { name, offset, size }] of sections.entries()) {
    const entry = table + (index + 1) * at.entry
    view.setUint32(entry, name, little)
    view.setUint32(entry + 4, 1, little)
    setAddress(entry + at.offset, offset)
    setAddress(entry + at.size, size)
  }
  return data
}
