import { describe, expect, it } from 'vitest'
import { fillCaches, noDepartedWorkers, noLostConfigs } from '../../../test/builders/caches.ts'
import { buildModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { buildItem, buildModuleConfig, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import type { NodeModuleItem, NodeModulesConfig } from '../../api/node-modules-config.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { type Action, decide } from './decide.ts'
import { observe } from './observe.ts'

const images = {
  metadata: { namespace: 'ns', name: 'mod', uid: 'uid-images', resourceVersion: '3' },
  status: { imagesStates: [{ image: 'registry.test/mod:v1', status: 'Exists' as const }] },
}

function plan(config: NodeModulesConfig): readonly Action[] {
  const caches = fillCaches({
    nodes: [buildNode()],
    modules: [buildModule()],
    nodeModulesConfigs: [config],
    moduleImagesConfigs: [images],
  })
  const observed = observe('n1', {
    caches,
    resolver: createMappingResolver(),
    isOwnWorker: () => false,
    lost: noLostConfigs,
    departed: noDepartedWorkers,
  })
  return observed ? decide(observed).actions : []
}

/** An entry with the zero values that the Go operator writes, some of which the API server keeps. */
function writtenByGo(changes: Partial<NodeModuleItem['config']> = {}): NodeModuleItem {
  return buildItem({
    imageRepoSecret: { name: '' },
    version: '',
    config: buildModuleConfig({
      inTreeModulesToRemove: [],
      inTreeModuleToRemove: '',
      modprobe: { moduleName: 'mod', dirName: '/opt', parameters: [], firmwarePath: '', modulesLoadingOrder: [] },
      ...changes,
    }),
  })
}

describe('a NodeModulesConfig that the Go operator wrote', () => {
  it('stays unwritten when it differs only in what is absent or empty', () => {
    expect(plan(buildNodeConfig({ entries: [writtenByGo()] }))).toEqual([])
  })

  it('is written when a value differs', () => {
    expect(plan(buildNodeConfig({ entries: [writtenByGo({ imagePullPolicy: 'Always' })] }))).toHaveLength(1)
  })

  it('is deleted when it is one of the empty ones that the Go operator left, and gets an owner when it is not', () => {
    const empty = buildNodeConfig({ metadata: { ownerReferences: [], labels: {} } })
    const caches = fillCaches({ nodes: [buildNode({ labels: {} })], nodeModulesConfigs: [empty] })
    const observed = observe('n1', {
      caches,
      resolver: createMappingResolver(),
      isOwnWorker: () => false,
      lost: noLostConfigs,
      departed: noDepartedWorkers,
    })
    expect(observed && decide(observed).actions.map(({ type }) => type)).toEqual(['deleteConfig'])
    expect(plan(empty)).toMatchObject([{ type: 'patchConfig', ownerReferences: [{ kind: 'Node', uid: 'uid-n1' }] }])
  })
})

describe('what the plan sees of a node', () => {
  const caches = fillCaches({
    nodes: [buildNode()],
    modules: [buildModule(), buildModule({ name: 'elsewhere', spec: { selector: { role: 'storage' } } })],
    nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem({ name: 'vanished' })] })],
    moduleImagesConfigs: [images],
  })
  const observed = observe('n1', {
    caches,
    resolver: createMappingResolver(),
    isOwnWorker: () => false,
    lost: noLostConfigs,
    departed: noDepartedWorkers,
  })

  it('is every Module that selects it, and every one that its NodeModulesConfig names', () => {
    expect(observed?.modules.map(({ name, module }) => [name, module !== undefined])).toEqual([
      ['mod', true],
      ['vanished', false],
    ])
  })

  it("is an image that exists in upstream's words, too", () => {
    expect(observed?.modules[0]?.image).toEqual({ phase: 'Exists' })
  })

  it('is nothing where there is no such node', () => {
    expect(
      observe('n2', {
        caches,
        resolver: createMappingResolver(),
        isOwnWorker: () => false,
        lost: noLostConfigs,
        departed: noDepartedWorkers,
      }),
    ).toBeUndefined()
  })
})
