import { describe, expect, it } from 'vitest'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
} from '../../../test/builders/node-modules-config.ts'
import { buildModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import { getModuleConfiguredLabel, getModuleInUseLabel } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import { findOnNode } from '../cluster/module-on-node.ts'
import { type Action, decide } from './decide.ts'
import type { ImageFact, ObservedPlan } from './observed.ts'

const node = buildNode()
const exists: ImageFact = { phase: 'Exists' }

function observe(
  modules: readonly Module[],
  config?: NodeModulesConfig,
  changes: Partial<ObservedPlan> = {},
): ObservedPlan {
  return {
    node,
    modules: modules.map((module) => ({
      namespace: module.metadata.namespace,
      name: module.metadata.name,
      module,
      mapping: answerMapping(createMappingResolver(), module, node.kernelVersion),
      image: exists,
      ...findOnNode(config, module.metadata),
      rivals: [],
    })),
    ...(config ? { config } : {}),
    busy: new Map(),
    ...changes,
  }
}

const act = (observed: ObservedPlan): readonly Action[] => decide(observed).actions

function patchOf(actions: readonly Action[]): Extract<Action, { type: 'patchConfig' }> {
  const [action, ...others] = actions
  expect(others).toEqual([])
  if (action?.type !== 'patchConfig') throw new Error(`expected one patch, got ${JSON.stringify(actions)}`)
  return action
}

const configured = getModuleConfiguredLabel('ns', 'mod')
const inUse = getModuleInUseLabel('ns', 'mod')
const busy = new Map([['ns/mod', { namespace: 'ns', name: 'mod', kernelModules: ['mod'] }]])

describe('a node without a NodeModulesConfig', () => {
  it('gets one with the labels of its Modules and the Node as owner, in one write for all', () => {
    const actions = act(observe([buildModule(), buildModule({ name: 'two' }), buildModule({ namespace: 'other' })]))
    expect(actions).toEqual([
      {
        type: 'createConfig',
        config: {
          apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
          kind: 'NodeModulesConfig',
          metadata: {
            name: 'n1',
            labels: {
              [configured]: '',
              [inUse]: '',
              [getModuleConfiguredLabel('ns', 'two')]: '',
              [getModuleInUseLabel('ns', 'two')]: '',
              [getModuleConfiguredLabel('other', 'mod')]: '',
              [getModuleInUseLabel('other', 'mod')]: '',
            },
            ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-n1' }],
          },
          spec: { modules: [buildItem(), buildItem({ name: 'two' }), buildItem({ namespace: 'other' })] },
        },
      },
    ])
  })

  it('gets none while nothing is wanted there', () => {
    expect(act(observe([]))).toEqual([])
    expect(act(observe([markDeleted(buildModule())]))).toEqual([])
  })
})

describe('a node with a NodeModulesConfig', () => {
  it('is left alone when nothing differs', () => {
    expect(act(observe([buildModule()], buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] })))).toEqual(
      [],
    )
  })

  it('is patched once, with its resourceVersion, however many Modules changed', () => {
    const config = buildNodeConfig({ entries: [buildItem(), buildItem({ name: 'two' })] })
    const changed = { container: { modprobe: { moduleName: 'mod', dirName: '/opt', parameters: ['a=1'] } } }
    const patch = patchOf(act(observe([buildModule(changed), buildModule({ ...changed, name: 'two' })], config)))
    expect(patch).toMatchObject({ name: 'n1', resourceVersion: '7', labels: {} })
    expect(patch.modules.map(({ config: { modprobe } }) => modprobe.parameters)).toEqual([['a=1'], ['a=1']])
  })

  it('keeps the entries of Modules that it cannot decide about', () => {
    const config = buildNodeConfig({ entries: [buildItem({ name: 'lost' }), buildItem({ name: 'unasked' })] })
    const lost = { namespace: 'ns', name: 'lost', mapping: { kind: 'none' as const }, image: exists, rivals: [] }
    const observed = observe([buildModule()], config)
    const patch = patchOf(act({ ...observed, modules: [...observed.modules, lost] }))
    expect(patch.modules.map(({ name }) => name)).toEqual(['lost', 'unasked', 'mod'])
  })

  it('keeps two Modules of one name in two namespaces apart', () => {
    const config = buildNodeConfig({ entries: [buildItem(), buildItem({ namespace: 'other' })] })
    const patch = patchOf(act(observe([markDeleted(buildModule()), buildModule({ namespace: 'other' })], config)))
    expect(patch.modules).toEqual([buildItem({ namespace: 'other' })])
    expect(patch.labels).toEqual({ [configured]: null, [inUse]: null })
  })

  it('is given the present Node as its owner first after the Node was made anew', () => {
    const ownerReferences = [
      { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-earlier' },
      { apiVersion: 'example.test/v1', kind: 'Other', name: 'x', uid: 'uid-other' },
    ]
    const config = buildNodeConfig({ entries: [buildItem()], metadata: { ownerReferences } })
    expect(patchOf(act(observe([buildModule()], config))).ownerReferences).toEqual([
      { apiVersion: 'example.test/v1', kind: 'Other', name: 'x', uid: 'uid-other' },
      { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'uid-n1' },
    ])
  })

  it('is not touched while it is being deleted', () => {
    const config = buildNodeConfig({ metadata: { deletionTimestamp: '2030-01-01T00:00:00Z' } })
    expect(act(observe([buildModule()], config))).toEqual([])
  })

  it('has an entry only once, whatever was written there', () => {
    const config = buildNodeConfig({ entries: [buildItem(), buildItem()] })
    expect(patchOf(act(observe([buildModule()], config))).modules).toEqual([buildItem()])
  })
})

describe('the digest of an image', () => {
  const observed = observe([buildModule()], buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] }))
  const verified = observed.modules.map((each) => ({ ...each, image: { ...exists, digest: 'sha256:bb' } }))

  it('is written for the next load', () => {
    const [item] = patchOf(act({ ...observed, modules: verified })).modules
    expect(item?.config.imageDigest).toBe('sha256:bb')
  })

  it('is no change of what is in the kernel', () => {
    const [item] = patchOf(act({ ...observed, modules: verified })).modules
    expect(item && sameKernelState(item.config, buildModuleConfig())).toBe(true)
  })
})

describe('a Module whose kernel module a pod of another one may be loading', () => {
  const other = { namespace: 'ns', name: 'other', kernelModules: ['mod', 'more'] }
  const held = new Map([['ns/other', other]])

  it('comes when that pod is gone', () => {
    const observed = observe([buildModule()], undefined, { busy: held })
    expect(decide(observed)).toMatchObject({ actions: [], waits: [{ reason: 'ModuleClaimed' }] })
    expect(act({ ...observed, busy: new Map() })).toHaveLength(1)
  })

  it('comes at once where the pod is its own, or has to do with other modules', () => {
    const apart = new Map([['ns/other', { ...other, kernelModules: ['more'] }]])
    for (const each of [busy, apart]) expect(act(observe([buildModule()], undefined, { busy: each }))).toHaveLength(1)
  })

  it('is followed where it is there already', () => {
    const config = buildNodeConfig({ loaded: [buildLoaded()] })
    expect(patchOf(act(observe([buildModule()], config, { busy: held }))).modules).toHaveLength(1)
    const entries = [buildItem({ config: buildModuleConfig({ containerImage: 'registry.test/mod:v0' }) })]
    expect(patchOf(act(observe([buildModule()], buildNodeConfig({ entries }), { busy: held }))).modules).toMatchObject([
      { config: { containerImage: 'registry.test/mod:v1' } },
    ])
  })
})

describe('the labels of a Module that is released', () => {
  const module = markDeleted(buildModule())

  it('lose "configured" with the entry, and keep "in use" while it is in the kernel', () => {
    const patch = patchOf(act(observe([module], buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] }))))
    expect(patch).toMatchObject({ modules: [], labels: { [configured]: null } })
    expect(patch.labels).not.toHaveProperty([inUse])
  })

  it('keep "in use" while a worker pod is there, even with nothing in the status', () => {
    const config = buildNodeConfig({ entries: [buildItem()] })
    expect(patchOf(act(observe([module], config, { busy }))).labels).toEqual({ [configured]: null })
    const bare = buildNodeConfig({ metadata: { labels: { [inUse]: '' } } })
    expect(act(observe([module], bare, { busy }))).toEqual([])
  })

  it('go with the NodeModulesConfig when nothing else is on the node', () => {
    const bare = buildNodeConfig({ metadata: { labels: { [inUse]: '' } } })
    expect(act(observe([module], bare))).toEqual([
      { type: 'deleteConfig', name: 'n1', uid: 'uid-config-n1', resourceVersion: '7' },
    ])
  })

  it('go alone when another Module is still loaded', () => {
    const config = buildNodeConfig({
      loaded: [buildLoaded({ name: 'two' })],
      metadata: { labels: { [inUse]: '', keep: 'me' } },
    })
    expect(patchOf(act(observe([module], config))).labels).toEqual({
      [inUse]: null,
      [getModuleInUseLabel('ns', 'two')]: '',
    })
  })
})

it('names the Module in what it waits for', () => {
  const lost = { namespace: 'ns', name: 'lost', mapping: { kind: 'none' as const }, image: exists, rivals: [] }
  expect(decide(observe([], undefined, { modules: [lost] })).waits).toEqual([
    expect.objectContaining({
      reason: 'ModuleVanished',
      message: expect.stringMatching(/^ns\/lost: Module ns\/lost does not/),
    }),
  ])
})
