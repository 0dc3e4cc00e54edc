import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { buildModuleTreeFiles } from './depmod.ts'
import { buildIndex, isModuleIndex, lookUp } from './module-index.ts'

const prebuilt = 'examples/kmod/prebuilt/6.1.0-56-amd64'

it('reads what depmod has written', () => {
  const bytes = readFileSync(join(prebuilt, 'modules.dep.bin'))
  expect(lookUp(bytes, 'kmm_demo')).toEqual(['kmm_demo.ko: kmm_demo_dep.ko'])
  expect(lookUp(bytes, 'kmm_demo_dep')).toEqual(['kmm_demo_dep.ko:'])
  for (const key of ['kmm_dem', 'kmm_demo_', 'kmm_demo_fwx', '', 'zzz']) expect(lookUp(bytes, key)).toEqual([])
})

it('writes the same bytes as depmod', () => {
  const files = buildModuleTreeFiles([
    { path: 'kmm_demo_fw.ko', name: 'kmm_demo_fw' },
    { path: 'kmm_demo_dep.ko', name: 'kmm_demo_dep' },
    { path: 'kmm_demo.ko', name: 'kmm_demo', depends: ['kmm_demo_dep'] },
  ])
  for (const name of ['modules.dep', 'modules.dep.bin', 'modules.builtin.bin'])
    expect(files[name]?.toString('hex')).toBe(readFileSync(join(prebuilt, name)).toString('hex'))
})

it('lists dependencies so that the last is loaded first', () => {
  const files = buildModuleTreeFiles([
    { path: 'a.ko', name: 'a', depends: ['b', 'c'] },
    { path: 'b.ko', name: 'b', depends: ['c'] },
    { path: 'c.ko', name: 'c' },
  ])
  expect(files['modules.dep']?.toString()).toBe('a.ko: b.ko c.ko\nb.ko: c.ko\nc.ko:\n')
})

it('finds every key that it was given, and no other', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '_', '1'), minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(fc.uniqueArray(key, { maxLength: 30 }), key, (keys, other) => {
      const bytes = buildIndex(keys.map((each, priority) => ({ key: each, value: `value of ${each}`, priority })))
      for (const each of keys) expect(lookUp(bytes, each)).toEqual([`value of ${each}`])
      if (!keys.includes(other)) expect(lookUp(bytes, other)).toEqual([])
    }),
  )
})

it('finds nothing in a file of another kind, and refuses a damaged one', () => {
  expect(isModuleIndex(Buffer.from('kmm_demo.ko:\n'))).toBe(false)
  expect(lookUp(Buffer.from('kmm_demo.ko: something\n'), 'kmm_demo')).toEqual([])
  const bytes = readFileSync(join(prebuilt, 'modules.dep.bin')).subarray(0, 60)
  expect(() => lookUp(bytes, 'kmm_demo')).toThrow('an index of modules is damaged')
})
