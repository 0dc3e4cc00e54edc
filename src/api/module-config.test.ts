import { describe, expect, it } from 'vitest'
import { listInTreeModules, sameKernelState } from './module-config.ts'
import type { ModuleConfig } from './node-modules-config.ts'

const base: ModuleConfig = {
  containerImage: 'registry.example/org/kmod:6.1',
  kernelVersion: '6.1.0-1-amd64',
  insecurePull: false,
  modprobe: { moduleName: 'mod_a', dirName: '/opt', parameters: ['a=1'] },
}

type Patch = Partial<Omit<ModuleConfig, 'modprobe'>> & { modprobe?: ModuleConfig['modprobe'] }
const change = (patch: Patch): ModuleConfig => ({
  ...base,
  ...patch,
  modprobe: { ...base.modprobe, ...patch.modprobe },
})

const equal: [string, ModuleConfig, ModuleConfig][] = [
  ['nothing differs', base, change({})],
  ['the pull policy differs', change({ imagePullPolicy: '' }), change({ imagePullPolicy: 'Always' })],
  ['one has no pull policy', base, change({ imagePullPolicy: 'IfNotPresent' })],
  ['the pull becomes insecure', base, change({ insecurePull: true, registryTLS: { insecure: true } })],
  ['a digest is known', base, change({ imageDigest: `sha256:${'0'.repeat(64)}` })],
  ['dirName is absent', { ...base, modprobe: { moduleName: 'mod_a', parameters: ['a=1'] } }, base],
  ['dirName is empty', change({ modprobe: { dirName: '' } }), base],
  ['firmwarePath is empty', change({ modprobe: { firmwarePath: '' } }), base],
  ['lists are empty', change({ inTreeModulesToRemove: [], modprobe: { modulesLoadingOrder: [] } }), base],
  ['arguments are empty', change({ modprobe: { args: {}, rawArgs: { load: [] } } }), base],
  ['the single in-tree name is empty', change({ inTreeModuleToRemove: '' }), base],
  ['a single in-tree name is a list', change({ inTreeModuleToRemove: 'x' }), change({ inTreeModulesToRemove: ['x'] })],
  [
    'the single in-tree name is in the list too',
    change({ inTreeModuleToRemove: 'x', inTreeModulesToRemove: ['x', 'y'] }),
    change({ inTreeModulesToRemove: ['x', 'y'] }),
  ],
]

const different: [string, ModuleConfig][] = [
  ['the image', change({ containerImage: 'registry.example/org/kmod:6.2' })],
  ['the kernel', change({ kernelVersion: '6.1.0-2-amd64' })],
  ['the module', change({ modprobe: { moduleName: 'mod_b' } })],
  ['a dash for an underscore', change({ modprobe: { moduleName: 'mod-a' } })],
  ['a parameter', change({ modprobe: { parameters: ['a=2'] } })],
  ['the order of parameters', change({ modprobe: { parameters: ['b=1', 'a=1'] } })],
  ['no parameters', change({ modprobe: { parameters: [] } })],
  ['the folder', change({ modprobe: { dirName: '/usr' } })],
  ['the firmware', change({ modprobe: { firmwarePath: '/firmware' } })],
  ['arguments of a load', change({ modprobe: { args: { load: ['-f'] } } })],
  ['arguments of an unload', change({ modprobe: { args: { unload: ['-f'] } } })],
  ['raw arguments of a load', change({ modprobe: { rawArgs: { load: ['mod_a'] } } })],
  ['raw arguments of an unload', change({ modprobe: { rawArgs: { unload: ['-r', 'mod_a'] } } })],
  ['the loading order', change({ modprobe: { modulesLoadingOrder: ['mod_a', 'mod_b'] } })],
  ['in-tree modules', change({ inTreeModulesToRemove: ['mod_b'] })],
  ['the deprecated in-tree module', change({ inTreeModuleToRemove: 'mod_b' })],
]

describe('sameKernelState', () => {
  it.each(equal)('is true when %s', (_title, a, b) => {
    expect(sameKernelState(a, b)).toBe(true)
    expect(sameKernelState(b, a)).toBe(true)
  })

  it.each(different)('is false when it changes: %s', (_title, changed) => {
    expect(sameKernelState(base, changed)).toBe(false)
    expect(sameKernelState(changed, base)).toBe(false)
  })
})

describe('listInTreeModules', () => {
  it('is the list and then the single, each name once', () => {
    expect(listInTreeModules({ inTreeModulesToRemove: ['b', 'a', 'b'], inTreeModuleToRemove: 'c' })).toEqual([
      'b',
      'a',
      'c',
    ])
    expect(listInTreeModules({})).toEqual([])
  })
})
