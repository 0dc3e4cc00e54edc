import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { authenticodeDigest } from './authenticode.ts'

const headerAt = 0x40
const optionalAt = headerAt + 24
const directoryAt = optionalAt + 112 + 32
const bodyBytes = 512

/** A PE32+ file with nothing in it, and behind it a signature when one is asked for. */
function buildProgram(signature = ''): Buffer {
  const image = Buffer.alloc(bodyBytes, 1)
  image.writeUInt32LE(headerAt, 0x3c)
  image.write('PE\0\0', headerAt, 'latin1')
  image.writeUInt16LE(0x20b, optionalAt)
  image.writeUInt32LE(signature === '' ? 0 : bodyBytes, directoryAt)
  image.writeUInt32LE(signature.length, directoryAt + 4)
  return Buffer.concat([image, Buffer.from(signature)])
}

it('is the digest of all but checksum, directory entry and signature', () => {
  const image = buildProgram('signed by somebody')
  const left = [image.subarray(0, optionalAt + 64), image.subarray(optionalAt + 68, directoryAt)]
  const digest = createHash('sha256').update(Buffer.concat([...left, image.subarray(directoryAt + 8, bodyBytes)]))
  expect(authenticodeDigest(image)).toEqual(digest.digest())
})

it('stays the same when a program is signed, and changes with any of its bytes', () => {
  const plain = authenticodeDigest(buildProgram())
  expect(authenticodeDigest(buildProgram('signed'))).toEqual(plain)
  const changed = buildProgram()
  changed.writeUInt8(2, bodyBytes - 1)
  expect(authenticodeDigest(changed)).not.toEqual(plain)
})

it('refuses what no firmware could start', () => {
  expect(() => authenticodeDigest(Buffer.from('no program'))).toThrow('not an EFI program')
  expect(() => authenticodeDigest(Buffer.alloc(4_096))).toThrow('not an EFI program')
})
