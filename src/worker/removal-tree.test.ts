import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { buildModuleTreeFiles, type TreeModule } from '../sandbox/kernel/depmod.ts'
import type { Host } from './host.ts'
import { listTakenAlong, readRemovalIndexes, writeRemovalTree } from './removal-tree.ts'

const from = '/lib/modules/6.1.0'
const to = '/tmp/lib/modules/6.1.0'

let host: Host
beforeEach(() => {
  const root = mkdtempSync(join(tmpdir(), 'kmm-removal-'))
  host = {
    root,
    kernelRelease: '6.1.0',
    bootId: 'boot-1',
    modprobePath: 'modprobe',
    architecture: 'amd64',
    modprobeEnvironment: {},
  }
})
afterEach(() => rmSync(host.root, { recursive: true }))

const at = (path: string): string => join(host.root, path)
const read = (file: string): string => readFileSync(at(join(to, file)), 'utf8')

function write(path: string, content: string | Buffer): void {
  mkdirSync(dirname(at(path)), { recursive: true })
  writeFileSync(at(path), content)
}

function writeTree(modules: readonly TreeModule[], aliases = ''): void {
  for (const { path } of modules) write(join(from, path), '')
  for (const [name, content] of Object.entries(buildModuleTreeFiles(modules))) write(join(from, name), content)
  write(join(from, 'modules.alias'), aliases)
}

const module = (name: string, depends: string[] = [], softdep?: string): TreeModule => ({
  name,
  path: `kernel/${name}.ko`,
  depends,
  ...(softdep === undefined ? {} : { softdep }),
})

async function listTaken(...names: string[]): Promise<string[]> {
  return [...listTakenAlong(await readRemovalIndexes(host, from), names)].sort()
}

describe('what goes with a module', () => {
  it('is all that it depends on, by either spelling', async () => {
    writeTree([module('top-one', ['mid']), module('mid', ['low']), module('low'), module('stranger', ['low'])])
    expect(await listTaken('top_one')).toEqual(['low', 'mid', 'top_one'])
    expect(await listTaken('top-one')).toEqual(['low', 'mid', 'top_one'])
    expect(await listTaken('mid', 'stranger')).toEqual(['low', 'mid', 'stranger'])
  })

  it('is each soft dependency, by name or alias, with what that needs in turn', async () => {
    const softdep = 'pre: soft-one some-alias nowhere post: late'
    const all = [module('top', [], softdep), module('soft_one', ['low'], 'pre: deep'), module('late'), module('low')]
    writeTree([...all, module('deep'), module('meant'), module('other')], 'alias some_alias meant\nalias pci:* other\n')
    expect(await listTaken('top')).toEqual(['deep', 'late', 'low', 'meant', 'soft_one', 'top'])
  })

  it('is not what a dependency has for soft dependencies', async () => {
    writeTree([module('top', ['mid']), module('mid', [], 'pre: soft'), module('soft')])
    expect(await listTaken('top')).toEqual(['mid', 'top'])
  })

  it('comes to an end where modules name each other', async () => {
    writeTree([module('a', [], 'pre: b'), module('b', [], 'pre: a')])
    expect(await listTaken('a')).toEqual(['a', 'b'])
  })

  it('is the module alone where the tree has no indexes', async () => {
    expect(await listTaken('a')).toEqual(['a'])
  })
})

describe('the tree that spares some', () => {
  const modules = [
    module('top', ['mid', 'base'], 'pre: base soft post: alias-of-base'),
    module('mid', ['base']),
    module('base', ['low']),
    module('low'),
    module('soft'),
  ]
  const spare = async (...names: string[]): Promise<void> =>
    writeRemovalTree(host, { from, to }, await readRemovalIndexes(host, from), new Set(names))

  it('has everything but what would take them along', async () => {
    writeTree(modules, 'alias alias_of_base base\n')
    write(join(to, 'left'), 'by another attempt')
    await spare('base')
    expect(read('modules.dep').split('\n')).toEqual([
      'kernel/top.ko: kernel/mid.ko kernel/low.ko',
      'kernel/mid.ko: kernel/low.ko',
      'kernel/base.ko: kernel/low.ko',
      'kernel/low.ko:',
      'kernel/soft.ko:',
      '',
    ])
    expect(read('modules.softdep')).toBe('softdep top pre: soft\n')
    expect(read('modules.alias')).toBe('alias alias_of_base base\n')
    expect(existsSync(at(join(to, 'left')))).toBe(false)
    expect(readFileSync(at(join(from, 'modules.dep')), 'utf8')).toContain('kernel/mid.ko kernel/base.ko')
  })

  it('is written into no directory that an image’s links lead to', async () => {
    writeTree(modules)
    write('elsewhere/modules.dep', 'not ours')
    mkdirSync(at('/tmp/lib/modules'), { recursive: true })
    symlinkSync(at('elsewhere'), at(to))
    await spare('base')
    expect(readFileSync(at('elsewhere/modules.dep'), 'utf8')).toBe('not ours')
  })

  const modprobe = ['/usr/sbin/modprobe', '/sbin/modprobe'].find(existsSync)
  it.skipIf(modprobe === undefined)('is understood by the real modprobe', async () => {
    writeTree(modules)
    await spare('base')
    // Links lead to where the container has the other tree.
    rmSync(at(join(to, 'kernel')))
    symlinkSync(at(join(from, 'kernel')), at(join(to, 'kernel')))
    const show = (root: string): string[] => {
      const args = ['-C', '/dev/null', '-d', root, '-S', '6.1.0', '--show-depends', 'top']
      const shown = execFileSync(modprobe ?? '', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      const lines = shown.trim().split('\n')
      return [...new Set(lines.map((line) => line.trim().split('/').at(-1) ?? ''))]
    }
    expect(show(host.root).sort()).toEqual(['base.ko', 'low.ko', 'mid.ko', 'soft.ko', 'top.ko'])
    expect(show(at('/tmp')).sort()).toEqual(['low.ko', 'mid.ko', 'soft.ko', 'top.ko'])
  })

  it('is made in no time from as many modules as a distribution has', async () => {
    const many = Array.from({ length: 6_000 }, (_, index) => `kernel/driver_${index}_of_many.ko: kernel/base.ko\n`)
    write(join(from, 'modules.dep'), `kernel/base.ko:\n${many.join('')}`)
    await spare('base')
    expect(read('modules.dep').split('\n')).toHaveLength(6_002)
    expect(read('modules.dep')).not.toContain(' kernel/base.ko')
  }, 10_000)
})
