import { describe, expect, it } from 'vitest'
import { fillCaches } from '../../../test/builders/caches.ts'
import { buildModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import { unloadPolicyAnnotation } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { watchLostConfigs } from './lost-configs.ts'

const config = buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] })

/** What is remembered once a NodeModulesConfig was deleted, and others may have followed it. */
function lose(
  lost: NodeModulesConfig,
  { modules = [buildModule()], next = [] }: Partial<{ modules: Module[]; next: NodeModulesConfig[] }> = {},
) {
  const caches = fillCaches({ nodes: [buildNode()], modules, nodeModulesConfigs: [lost] })
  const found = watchLostConfigs(caches)
  caches.nodeModulesConfigs.deleted({ name: 'n1' }, lost.metadata.uid)
  for (const each of next) caches.nodeModulesConfigs.written(each)
  return { caches, found }
}

describe('a NodeModulesConfig that somebody deletes', () => {
  it('is remembered with what perhaps is loaded', () => {
    const { found } = lose(config)
    expect(found.find(buildNode())).toMatchObject({
      spec: { modules: [buildItem()] },
      status: { modules: [buildLoaded({ bootId: '' })] },
    })
  })

  it('names what perhaps is loaded, and what was to be, until another one does', () => {
    const planned = buildItem({ name: 'planned' })
    const { caches, found } = lose(buildNodeConfig({ entries: [buildItem(), planned], loaded: [buildLoaded()] }))
    expect(['ns/mod', 'ns/planned', 'ns/other'].map((name) => found.names(name))).toEqual([true, true, false])
    caches.nodes.deleted({ name: 'n1' }, 'uid-n1')
    expect(found.names('ns/mod')).toBe(false)
    const whole = buildNodeConfig({ loaded: [buildLoaded()], metadata: { uid: 'uid-next', resourceVersion: '9' } })
    expect(lose(config, { next: [whole] }).found.names('ns/mod')).toBe(false)
  })

  it('is forgotten once another one has a status', () => {
    const bare = buildNodeConfig({ entries: [buildItem()], metadata: { uid: 'uid-next', resourceVersion: '8' } })
    const whole = buildNodeConfig({ loaded: [buildLoaded()], metadata: { uid: 'uid-next', resourceVersion: '9' } })
    expect(lose(config, { next: [bare] }).found.find(buildNode())).toBeDefined()
    expect(lose(config, { next: [bare, whole] }).found.find(buildNode())).toBeUndefined()
  })

  it('says nothing of another boot, nor of another Node of the name', () => {
    const { caches, found } = lose(config)
    expect(found.find(buildNode({ bootId: 'boot-2' }))).toBeUndefined()
    expect(found.find(buildNode({ uid: 'uid-other' }))).toBeUndefined()
    caches.nodes.deleted({ name: 'n1' }, 'uid-n1')
    expect(found.find(buildNode())).toBeUndefined()
  })

  it('is not remembered where its Node went first, and the garbage collection took it', () => {
    const caches = fillCaches({ nodes: [buildNode()], nodeModulesConfigs: [config] })
    const found = watchLostConfigs(caches)
    caches.nodes.deleted({ name: 'n1' }, 'uid-n1')
    caches.nodeModulesConfigs.deleted({ name: 'n1' }, config.metadata.uid)
    // Even the same Node would find nothing: nothing is kept.
    expect(found.find(buildNode())).toBeUndefined()
  })

  it('is nothing to remember where nothing is loaded', () => {
    expect(lose(buildNodeConfig({ entries: [buildItem()] })).found.find(buildNode())).toBeUndefined()
  })

  it('is remembered as it was reported where it is never unloaded', () => {
    const metadata = { annotations: { [unloadPolicyAnnotation]: 'Never' } }
    const { found } = lose(config, { modules: [buildModule({ metadata })] })
    expect(found.find(buildNode())?.status?.modules).toEqual([buildLoaded()])
  })

  it('is nothing to remember of a Module that was never to be unloaded, and is gone', () => {
    const metadata = { annotations: { [unloadPolicyAnnotation]: 'Never' } }
    const { caches, found } = lose(config, { modules: [buildModule({ metadata: { ...metadata, finalizers: [] } })] })
    caches.modules.deleted({ namespace: 'ns', name: 'mod' }, buildModule().metadata.uid)
    expect(caches.modules.list()).toEqual([])
    expect(found.find(buildNode())).toBeUndefined()
  })

  it('is remembered of a Module that is gone, for its unload', () => {
    const { caches, found } = lose(config, { modules: [buildModule({ metadata: { finalizers: [] } })] })
    caches.modules.deleted({ namespace: 'ns', name: 'mod' }, buildModule().metadata.uid)
    expect(caches.modules.list()).toEqual([])
    expect(found.find(buildNode())).toBeDefined()
  })
})
