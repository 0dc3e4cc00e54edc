import { describe, expect, it } from 'vitest'
import { encodeBootOption } from './boot-option.ts'
import { decodeGuid, encodeGuid } from './guid.ts'
import { makeSecureBootVariables } from './secure-boot.ts'
import { addVariables, readVariables } from './variable-store.ts'

const globalVariable = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
const nowMs = Date.UTC(2026, 10, 21, 12, 34, 56)
const headerBytes = 72

/** Empty flash as EDK2 formats it: a volume's header, a store's header, erased bytes. */
function emptyStore(storeBytes = 4_096): Buffer {
  const image = Buffer.alloc(headerBytes + storeBytes + 1_024, 0xff)
  image.fill(0, 0, headerBytes + 28)
  image.write('_FVH', 40)
  image.writeUInt16LE(headerBytes, 48)
  encodeGuid('aaf32c78-947b-439a-a180-2e144ec37792').copy(image, headerBytes)
  image.writeUInt32LE(storeBytes, headerBytes + 16)
  image.writeUInt8(0x5a, headerBytes + 20)
  image.writeUInt8(0xfe, headerBytes + 21)
  return image
}

const variable = (name: string, data: string, attributes = 7) => ({
  name,
  vendor: globalVariable,
  attributes,
  data: Buffer.from(data),
})

describe('a store of UEFI variables', () => {
  it('holds nothing when it is fresh', () => {
    expect(readVariables(emptyStore())).toEqual([])
  })

  it('gives back what was written, of whatever length', () => {
    const written = ['', 'a', 'bc', 'def', 'ghij'].map((data, index) => variable(`Name${index}`, data))
    expect(readVariables(addVariables(emptyStore(), written, nowMs))).toEqual(written)
  })

  it('leaves the image alone and adds behind what is there', () => {
    const empty = emptyStore()
    const first = addVariables(empty, [variable('A', 'one')], nowMs)
    const second = addVariables(first, [variable('B', 'two')], nowMs)
    expect(readVariables(second).map(({ name }) => name)).toEqual(['A', 'B'])
    expect([empty.equals(emptyStore()), second.length]).toEqual([true, empty.length])
  })

  it('writes headers as EDK2 defines them', () => {
    const image = addVariables(emptyStore(), [variable('PK', 'x', 0x27)], nowMs)
    const at = headerBytes + 28
    const fields = [image.readUInt16LE(at), image.readUInt8(at + 2), image.readUInt32LE(at + 4)]
    expect(fields).toEqual([0x55aa, 0x3f, 0x27])
    expect([...image.subarray(at + 16, at + 24)]).toEqual([0xea, 0x07, 11, 21, 12, 34, 56, 0])
    expect([image.readUInt32LE(at + 36), image.readUInt32LE(at + 40)]).toEqual([6, 1])
    expect(image.toString('hex', at + 44, at + 60)).toBe('61dfe48bca93d211aa0d00e098032b8c')
    expect(image.toString('hex', at + 60, at + 68)).toBe('50004b00000078ff')
  })

  it('leaves deleted variables out', () => {
    const image = addVariables(emptyStore(), [variable('A', 'one'), variable('B', 'two')], nowMs)
    image.writeUInt8(0x3d, headerBytes + 28 + 2)
    expect(readVariables(image).map(({ name }) => name)).toEqual(['B'])
  })

  it('refuses what is no store, what does not fit, and a name that is taken', () => {
    expect(() => readVariables(Buffer.alloc(4_096))).toThrow('OVMF_VARS_4M.fd')
    expect(() => addVariables(emptyStore(256), [variable('A', 'x'.repeat(200))], nowMs)).toThrow('the store has 228')
    const image = addVariables(emptyStore(), [variable('A', 'one')], nowMs)
    expect(() => addVariables(image, [variable('A', 'two')], nowMs)).toThrow('holds A already')
  })
})

describe('the variables of a machine with Secure Boot', () => {
  const certificate = Buffer.from('certificate')
  const program = Buffer.alloc(32, 7)
  const boot = { description: 'Linux', path: '\\KERNEL.EFI', commandLine: 'quiet' }
  const image = makeSecureBootVariables({ template: emptyStore(), certificate, programs: [program], boot, nowMs })
  const written = new Map(readVariables(image).map((each) => [each.name, each]))

  it('are its keys, the switch and what it starts', () => {
    expect([...written.keys()]).toEqual(['PK', 'KEK', 'db', 'SecureBootEnable', 'Boot0000', 'BootOrder'])
    expect([...written.values()].map(({ attributes }) => attributes)).toEqual([0x27, 0x27, 0x27, 3, 7, 7])
    expect(written.get('db')?.vendor).toBe('d719b2cb-3d3a-4596-a3bc-dad00e67656f')
    expect(written.get('SecureBootEnable')?.data).toEqual(Buffer.from([1]))
  })

  it('trust one certificate and the programs, in a list of signatures each', () => {
    const data = written.get('db')?.data ?? Buffer.alloc(0)
    const [first, second] = [data.subarray(0, data.readUInt32LE(16)), data.subarray(data.readUInt32LE(16))]
    expect([first, second].map((list) => decodeGuid(list))).toEqual([
      'a5c059a1-94e4-4aa7-87b5-ab155c2bf072',
      'c1c41626-504c-4092-aca9-41f936934328',
    ])
    expect([first.readUInt32LE(20), first.readUInt32LE(24)]).toEqual([0, 16 + certificate.length])
    expect([first.subarray(44), second.subarray(44)]).toEqual([certificate, program])
    expect(second.readUInt32LE(16)).toBe(second.length)
    expect(written.get('PK')?.data).toEqual(first)
  })

  it('start a program by its path, with a command line', () => {
    const data = written.get('Boot0000')?.data ?? Buffer.alloc(0)
    expect(data).toEqual(encodeBootOption(boot))
    expect([data.readUInt32LE(0), data.readUInt16LE(4)]).toEqual([1, 4 + 24 + 4])
    expect(data.toString('utf16le', 6)).toMatch(/^Linux\0.{2}\\KERNEL\.EFI\0.{2}quiet\0$/su)
  })
})
