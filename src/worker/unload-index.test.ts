import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lookUp } from '../sandbox/kernel/module-index.ts'
import type { LoadedModule } from './kernel-state.ts'
import { formatModuleIndex, listForUnload, writeUnloadIndex } from './unload-index.ts'

const loaded = (name: string, holders: string[] = [], isOutOfTree = true): LoadedModule => ({
  name,
  holders,
  isOutOfTree,
  srcversion: undefined,
  refcnt: holders.length,
})

describe('the list for an unload', () => {
  it('has what a module uses, users before used, and only what is out of tree', () => {
    const all = [
      loaded('a'),
      loaded('b', ['a']),
      loaded('c', ['a', 'b']),
      loaded('stranger'),
      loaded('usbcore', ['a'], false),
    ]
    expect(listForUnload(all, ['a'])).toEqual([
      { name: 'a', dependencies: ['b', 'c'] },
      { name: 'b', dependencies: ['c'] },
      { name: 'c', dependencies: [] },
    ])
  })

  it('comes to an end where the kernel would tell of a circle', () => {
    const names = listForUnload([loaded('a', ['b']), loaded('b', ['a'])], ['a', 'gone']).map((module) => module.name)
    expect(names).toEqual(['a', 'b'])
  })
})

describe('the binary index', () => {
  const lines = ['kmm_demo', 'kmm_demo_dep', 'kmm', 'z', 'A-b.c'].map((key) => ({ key, value: `${key}.ko: x.ko` }))

  it('finds each of its names and no other', () => {
    const index = formatModuleIndex(lines)
    for (const { key, value } of lines) expect(lookUp(index, key)).toEqual([value])
    for (const other of ['', 'k', 'kmm_', 'kmm_demo_depp', 'y']) expect(lookUp(index, other)).toEqual([])
  })

  it('may be empty', () => {
    expect(lookUp(formatModuleIndex([]), 'a')).toEqual([])
  })
})

const modprobe = ['/usr/sbin/modprobe', '/sbin/modprobe'].find(existsSync)

describe.skipIf(modprobe === undefined)('the real modprobe', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kmm-index-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('reads the index', async () => {
    await writeUnloadIndex(join(folder, 'lib/modules/6.1.0'), [
      { name: 'kmm_demo', dependencies: ['kmm_demo_dep'] },
      { name: 'kmm_demo_dep', dependencies: [] },
    ])
    const args = ['-d', folder, '-S', '6.1.0', '--show-depends', 'kmm_demo']
    const shown = execFileSync(modprobe ?? '', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    expect(
      shown
        .trim()
        .split('\n')
        .map((line) => line.trim().split('/').at(-1)),
    ).toEqual(['kmm_demo_dep.ko', 'kmm_demo.ko'])
  })
})
