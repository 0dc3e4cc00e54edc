import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatInTreeRemovalArguments,
  formatLoadArguments,
  formatUnloadArguments,
  listUnloadedModules,
  type ModprobeInput,
  modprobeDirectory,
} from './modprobe-arguments.ts'

const raw = { load: ['raw', 'load'], unload: ['raw', 'unload'] }

describe('modprobe command lines', () => {
  it.each<[string, ModprobeInput, string[], string[]]>([
    ['a name alone', { moduleName: 'demo' }, ['-vd', '/tmp/opt', 'demo'], ['-rvd', '/tmp/opt', 'demo']],
    [
      'parameters',
      { moduleName: 'demo', dirName: '/opt', parameters: ['count=3', 'greeting=hi you'] },
      ['-vd', '/tmp/opt', 'demo', 'count=3', 'greeting=hi you'],
      ['-rvd', '/tmp/opt', 'demo'],
    ],
    [
      'arguments for both directions',
      { moduleName: 'demo', dirName: '/kmod/', args: { load: ['-f'], unload: ['-w', '1'] }, parameters: ['p=1'] },
      ['-vd', '/tmp/kmod', '-f', 'demo', 'p=1'],
      ['-rvd', '/tmp/kmod', '-w', '1', 'demo'],
    ],
    [
      'a loading order',
      { moduleName: 'mod_a', modulesLoadingOrder: ['mod_a', 'mod_b'] },
      ['-vd', '/tmp/opt', 'mod_a'],
      ['-rvd', '/tmp/opt', 'mod_a', 'mod_b'],
    ],
    ['raw arguments', { rawArgs: raw, dirName: '/x' }, raw.load, raw.unload],
    [
      'raw arguments before all others',
      { moduleName: 'demo', rawArgs: raw, args: raw, parameters: ['p'] },
      raw.load,
      raw.unload,
    ],
    [
      'empty values',
      { moduleName: 'demo', dirName: '', args: {}, rawArgs: {}, modulesLoadingOrder: [] },
      ['-vd', '/tmp/opt', 'demo'],
      ['-rvd', '/tmp/opt', 'demo'],
    ],
  ])('for %s', (_title, modprobe, load, unload) => {
    expect(formatLoadArguments(modprobe)).toEqual(load)
    expect(formatUnloadArguments(modprobe)).toEqual(unload)
  })

  it('for in-tree modules use the tree of the host', () => {
    expect(formatInTreeRemovalArguments(['mod_a', 'mod_b'])).toEqual(['-rv', 'mod_a', 'mod_b'])
  })

  it('need a name or raw arguments', () => {
    for (const modprobe of [{}, { moduleName: '' }, { moduleName: '', rawArgs: {} }]) {
      const refused = expect.objectContaining({ code: 'ConfigurationInvalid', fate: 'terminal' })
      expect(() => formatLoadArguments(modprobe)).toThrow(refused)
      expect(() => formatUnloadArguments(modprobe)).toThrow(refused)
    }
  })

  it('name what an unload takes away', () => {
    expect(listUnloadedModules({ moduleName: 'a' })).toEqual(['a'])
    expect(listUnloadedModules({ moduleName: 'a', modulesLoadingOrder: ['a', 'b'] })).toEqual(['a', 'b'])
  })

  it('stay below /tmp whatever dirName is', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', '/', 'opt', '//', 'a b')), (parts) => {
        const directory = modprobeDirectory(parts.join('/'))
        expect(directory).toMatch(/^\/tmp(\/|$)/)
        expect(directory.split('/')).not.toContain('..')
      }),
    )
  })
})
