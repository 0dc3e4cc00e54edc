import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findLoadOrder, parseModulesBuiltin, parseModulesDep } from './dependencies.ts'
import { isModuleName, isSameModule, normalizeModuleName, parseModuleFileName } from './module-name.ts'
import { formatSoftdep, formatSoftdeps, parseSoftdeps } from './softdep.ts'
import { formatSparedModules, parseSparedModules } from './spared-modules.ts'

describe('module names', () => {
  it.each([
    ['kernel/net/snd-foo.ko', 'snd_foo'],
    ['snd-foo.ko.xz', 'snd_foo'],
    ['/opt/lib/modules/6.1/extra/a.ko.zst', 'a'],
    ['a.ko.gz', 'a'],
    ['a.ko.bz2', undefined],
    ['a.so', undefined],
    ['.ko', undefined],
    ['-rf.ko', undefined],
    ['a b.ko', undefined],
    [`${'x'.repeat(56)}.ko`, undefined],
  ])('of the file %s is %s', (file, name) => {
    expect(parseModuleFileName(file)).toBe(name)
  })

  it('are the same with - and with _', () => {
    expect(normalizeModuleName('my-intree-kmod')).toBe('my_intree_kmod')
    expect(isSameModule('snd-foo', 'snd_foo')).toBe(true)
    expect(isSameModule('snd_foo', 'snd_fo')).toBe(false)
  })

  it.each(['', '.', '..', '../x', 'a/b', 'a\0b', '-x', 'x\n'])(
    'refuse %j, which must not become part of a path',
    (name) => {
      expect(isModuleName(name)).toBe(false)
    },
  )
})

describe('modules.dep', () => {
  it('is read as depmod wrote it', () => {
    const modules = parseModulesDep(readFileSync('examples/kmod/prebuilt/6.1.0-56-amd64/modules.dep', 'utf8'))
    expect([...modules.keys()].toSorted()).toEqual(['kmm_demo', 'kmm_demo_dep', 'kmm_demo_fw'])
    expect(findLoadOrder(modules, 'kmm-demo')?.map(({ path }) => path)).toEqual(['kmm_demo_dep.ko', 'kmm_demo.ko'])
    expect(findLoadOrder(modules, 'other')).toBeUndefined()
  })

  it('gives the order of loading from the end of the line', () => {
    const modules = parseModulesDep('k/a.ko.xz: k/b.ko.xz k/c.ko.xz\nk/b.ko.xz: k/c.ko.xz\nk/c.ko.xz:\nnonsense\nx:y\n')
    expect(findLoadOrder(modules, 'a')?.map(({ name }) => name)).toEqual(['c', 'b', 'a'])
    expect(modules.size).toBe(3)
  })

  it('ends for lines that name themselves, each other, or what is not there', () => {
    const modules = parseModulesDep('a.ko: a.ko b.ko b.ko gone.ko\nb.ko: a.ko\n')
    expect(findLoadOrder(modules, 'a')?.map(({ name }) => name)).toEqual(['b', 'a'])
  })

  it('is refused when it is far too long', () => {
    expect(() => parseModulesDep('\n'.repeat(100_001))).toThrow(expect.objectContaining({ code: 'ModuleFileInvalid' }))
  })

  it('gives builtin modules by name', () => {
    const names = parseModulesBuiltin('kernel/fs/ext4.ko\nkernel/sound/snd-foo.ko\n\nkernel/readme\n')
    expect([...names]).toEqual(['ext4', 'snd_foo'])
  })

  it('never throws for random text', () => {
    const part = fc.constantFrom('a.ko', 'b.ko.xz', ':', ' ', '\n', '/', '..', '\0', 'x')
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const text = parts.join('')
        for (const name of parseModulesDep(text).keys())
          expect(findLoadOrder(parseModulesDep(text), name)?.at(-1)?.name).toBe(name)
        for (const name of parseModulesBuiltin(text)) expect(isModuleName(name)).toBe(true)
      }),
    )
  })
})

describe('soft dependencies', () => {
  it.each([
    [['a', 'b', 'c'], 'softdep a pre: b\nsoftdep b pre: c\n'],
    [['a', 'b'], 'softdep a pre: b\n'],
    [['a'], ''],
    [[], ''],
  ])('of %j are written a line each', (order, text) => {
    expect(formatSoftdeps(order)).toBe(text)
  })

  it('are read from modules.softdep and written again', () => {
    const text = '# a comment\n\nsoftdep a pre: b c post: d\nsoftdep e post: f\nsoftdep g\nalias x y\nsoftdep\n'
    const softdeps = parseSoftdeps(text)
    expect(softdeps).toEqual([
      { name: 'a', pre: ['b', 'c'], post: ['d'] },
      { name: 'e', pre: [], post: ['f'] },
      { name: 'g', pre: [], post: [] },
    ])
    const written = softdeps.map(formatSoftdep).join('')
    expect(written).toBe('softdep a pre: b c post: d\nsoftdep e post: f\nsoftdep g\n')
    expect(parseSoftdeps(written)).toEqual(softdeps)
  })
})

describe('the names that are spared', () => {
  it('are a line each, in the kernel’s spelling, and nothing but names', () => {
    expect(parseSparedModules(formatSparedModules(['a', 'b']))).toEqual(['a', 'b'])
    expect(parseSparedModules('snd-foo\nsnd_foo\n../x\n-rf\n\na b\nc')).toEqual(['snd_foo', 'c'])
    expect(parseSparedModules('')).toEqual([])
  })
})
