import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkModuleHead, moduleHeadBytes } from './module-head.ts'

const module = readFileSync('examples/kmod/prebuilt/6.1.0-56-amd64/kmm_demo_dep.ko')
const check = (data: Buffer): void => checkModuleHead(data.subarray(0, moduleHeadBytes), data.length)
const invalid = expect.objectContaining({ code: 'ModuleFileInvalid' })

describe('the head of a module', () => {
  it('is that of a whole module', () => {
    expect(() => check(module)).not.toThrow()
  })

  it.each([0, 1, 40, 60, 63, 64, 1000, module.length - 1])('is refused when the file is cut to %i bytes', (bytes) => {
    expect(() => check(module.subarray(0, bytes))).toThrow(invalid)
  })

  it('is refused when it is that of a program', () => {
    const program = Buffer.from(module)
    program.writeUInt16LE(2, 16)
    expect(() => check(program)).toThrow(/program or library/)
  })

  it('is refused when it is no ELF file', () => {
    expect(() => check(Buffer.alloc(1000))).toThrow(/does not begin as an ELF file/)
  })
})
