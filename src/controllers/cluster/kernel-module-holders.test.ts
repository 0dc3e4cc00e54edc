import { describe, expect, it } from 'vitest'
import { buildModule } from '../../../test/builders/module.ts'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
} from '../../../test/builders/node-modules-config.ts'
import { kernelModulesOf } from './caches.ts'
import { findHolders } from './kernel-module-holders.ts'

const having = (...names: string[]) =>
  buildModuleConfig({ modprobe: { moduleName: names[0] ?? '', modulesLoadingOrder: names, dirName: '/opt' } })

describe('the Modules that have a kernel module on a node', () => {
  const entries = [buildItem({ name: 'a', config: having('kmod-a', 'shared') })]
  const loaded = [
    buildLoaded({ name: 'a', config: having('kmod-a', 'shared') }),
    buildLoaded({ name: 'b', config: having('shared') }),
  ]

  it('are those of plan and status, each once, by the name that the kernel has for it', () => {
    const config = buildNodeConfig({ entries, loaded })
    expect(findHolders(config, 'kmod_a')).toEqual(['ns/a'])
    expect(findHolders(config, 'shared')).toEqual(['ns/a', 'ns/b'])
    expect(findHolders(config, 'other')).toEqual([])
  })

  it('are read once of each state of a NodeModulesConfig, and anew of the next', () => {
    const config = buildNodeConfig({ entries, loaded })
    expect(findHolders(config, 'shared')).toBe(findHolders(config, 'shared'))
    expect(findHolders(buildNodeConfig({ entries }), 'shared')).toEqual(['ns/a'])
  })
})

it('what a Module asks for is read once, and anew of its next state', () => {
  const module = buildModule()
  expect(kernelModulesOf(module)).toBe(kernelModulesOf(module))
  const next = buildModule({ container: { modprobe: { moduleName: 'kmod-next' } } })
  expect(kernelModulesOf(next)).toEqual(['kmod_next'])
})
