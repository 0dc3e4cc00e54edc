import { describe, expect, it } from 'vitest'
import { nameConfig } from './config-name.ts'

const name = (module: string, uid = 'uid-1', isTaken: (name: string) => boolean = () => false): string =>
  nameConfig({ namespace: 'ns', name: module }, uid, isTaken)

describe('the name of a ModuleImagesConfig of a preflight', () => {
  it('tells the Module, and is the same for the same preflight', () => {
    expect(name('mod')).toMatch(/^mod-preflight-[0-9a-f]{8}$/)
    expect(name('mod')).toBe(name('mod'))
    expect(name('mod')).not.toBe(name('mod', 'uid-2'))
  })

  it('is short enough for a label, also of Modules whose names are long and alike', () => {
    const names = ['a', 'b', 'a.'].map((end) => name(`${'x'.repeat(200)}${end}`))
    expect(new Set(names).size).toBe(3)
    for (const each of names) expect(each).toMatch(/^x+-preflight-[0-9a-f]{8}$/)
    for (const each of names) expect(each.length).toBeLessThanOrEqual(63)
    expect(name(`${'x'.repeat(43)}.${'y'.repeat(50)}`)).toMatch(/^x+-preflight-/)
  })

  it('is another one where that is somebody else’s', () => {
    const first = name('mod')
    const second = name('mod', 'uid-1', (each) => each === first)
    expect(second).toMatch(/^mod-preflight-[0-9a-f]{8}$/)
    expect(second).not.toBe(first)
  })
})
