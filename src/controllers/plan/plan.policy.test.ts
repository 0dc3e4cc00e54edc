import { describe, expect, it } from 'vitest'
import { type ClusterObjects, fillCaches, noDepartedWorkers, noLostConfigs } from '../../../test/builders/caches.ts'
import { buildModule, markDeleted, type ModuleParts } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
  type ConfigParts,
} from '../../../test/builders/node-modules-config.ts'
import { unloadPolicyAnnotation } from '../../api/annotations.ts'
import { getModuleVersionLabelName, getWorkerPodVersionLabelName } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { answerModule } from './answer.ts'
import type { Answer } from './answered.ts'
import { decide } from './decide.ts'
import { observe } from './observe.ts'

const withPolicy = (policy: string, parts: ModuleParts = {}): Module =>
  buildModule({ ...parts, metadata: { annotations: { [unloadPolicyAnnotation]: policy }, ...parts.metadata } })

interface Scene {
  modules: Module[]
  node?: Partial<NodeView>
  config?: ConfigParts
}

function see({ modules, node, config }: Scene) {
  const images = modules.map(({ metadata: { namespace, name } }) => ({
    metadata: { namespace, name, uid: `uid-${name}`, resourceVersion: '3' },
    status: {
      imagesStates: ['v1', 'v2'].map((tag) => ({ image: `registry.test/mod:${tag}`, status: 'Exists' as const })),
    },
  }))
  const objects: ClusterObjects = {
    nodes: [buildNode(node)],
    modules,
    nodeModulesConfigs: config ? [buildNodeConfig(config)] : [],
    moduleImagesConfigs: images,
  }
  const sources = {
    caches: fillCaches(objects),
    resolver: createMappingResolver(),
    isOwnWorker: () => false,
    lost: noLostConfigs,
    departed: noDepartedWorkers,
  }
  const observed = observe('n1', sources)
  if (observed === undefined) throw new Error('nothing observed')
  return observed
}

const summarise = (given: Answer): string => (given.kind === 'want' ? 'want' : `${given.kind} ${given.reason}`)

/** What is said of each Module, by name. */
function tell(scene: Scene): Record<string, string> {
  const { modules, node } = see(scene)
  return Object.fromEntries(modules.map((module) => [module.name, summarise(answerModule(module, node))]))
}

const tellOne = (module: Module, scene: Omit<Scene, 'modules'> = {}): string | undefined =>
  tell({ modules: [module], ...scene })['mod']

/** Names and images of the entries that the plan is to have. */
function plan(scene: Scene): string[] {
  const [action] = decide(see(scene)).actions
  const modules = action?.type === 'patchConfig' ? action.modules : scene.config?.entries
  return (modules ?? []).map(({ name, config }) => `${name} ${config.containerImage.slice(-2)}`)
}

const taint = (key: string, effect = 'NoSchedule') => ({ taints: [{ key, value: '', effect }] })
const other = { config: buildModuleConfig({ containerImage: 'registry.test/mod:v2' }) }
const v2: ModuleParts = {
  container: { kernelMappings: [{ regexp: '^.+$', containerImage: 'registry.test/mod:v2' }] },
}
const present: ConfigParts = { entries: [buildItem()], loaded: [buildLoaded()] }

describe('a taint', () => {
  const rows: [string, Module, Partial<NodeView>, string][] = [
    ['under the default', buildModule(), { taints: [cordoned] }, 'want'],
    ['under a policy that is none', withPolicy('ontaint'), { taints: [cordoned] }, 'want'],
    ['under Never', withPolicy('Never'), { taints: [cordoned] }, 'want'],
    ['under OnTaint', withPolicy('OnTaint'), { taints: [cordoned] }, 'release NodeTainted'],
    ['of a node that does not answer', withPolicy('OnTaint'), taint('node.kubernetes.io/unreachable'), 'want'],
    [
      'next to that of a node that does not answer',
      withPolicy('OnTaint'),
      { taints: [{ key: 'node.kubernetes.io/not-ready', value: '', effect: 'NoExecute' }, cordoned] },
      'release NodeTainted',
    ],
    ['of effect NoExecute', withPolicy('OnTaint'), taint('gone', 'NoExecute'), 'release NodeTainted'],
    ['of effect PreferNoSchedule', withPolicy('OnTaint'), taint('rather', 'PreferNoSchedule'), 'want'],
    ['of pressure', withPolicy('OnTaint'), taint('node.kubernetes.io/disk-pressure'), 'want'],
    [
      'that the Module tolerates',
      withPolicy('OnTaint', { spec: { tolerations: [{ key: 'gone', operator: 'Exists' }] } }),
      taint('gone'),
      'want',
    ],
  ]
  it.each(rows)('%s', (_title, module, node, expected) => {
    expect(tellOne(module, { node, config: present })).toBe(expected)
  })
})

describe('a module that is in the kernel and not in the plan', () => {
  const config: ConfigParts = { loaded: [buildLoaded()] }

  it('is no newcomer: it comes back on a tainted node', () => {
    expect(tellOne(buildModule(), { node: { taints: [cordoned] }, config })).toBe('want')
  })

  it('is named again as it was loaded, where what is wanted cannot be had', () => {
    const v3 = { container: { kernelMappings: [{ regexp: '^.+$', containerImage: 'registry.test/mod:v3' }] } }
    expect(tellOne(buildModule(v3), { config })).toBe('keep ImageUnknown')
    expect(plan({ modules: [buildModule(v3)], config })).toEqual(['mod v1'])
  })

  it('is not named before its Module has its finalizer', () => {
    const module = buildModule({ metadata: { finalizers: [] } })
    expect(tellOne(module, { config })).toBe('keep FinalizerMissing')
    expect(plan({ modules: [module], config })).toEqual([])
  })

  it('is not named again where it is to go', () => {
    expect(plan({ modules: [markDeleted(buildModule())], config })).toEqual([])
  })

  it('is one after a reboot', () => {
    const node = { taints: [cordoned], bootId: 'boot-2' }
    expect(tellOne(buildModule(), { node, config })).toBe('keep NodeNotSchedulable')
  })
})

describe('the policy Never', () => {
  const rows: [string, Module, Omit<Scene, 'modules'>, string][] = [
    ['lets what is the same go on', withPolicy('Never'), { config: present }, 'want'],
    ['has a new image wait', withPolicy('Never', v2), { config: present }, 'keep UnloadForbidden'],
    [
      'takes a new image after a reboot',
      withPolicy('Never', v2),
      { config: present, node: { bootId: 'boot-2' } },
      'want',
    ],
    [
      'takes a new image where nothing is loaded',
      withPolicy('Never', v2),
      { config: { entries: [buildItem()] } },
      'want',
    ],
    [
      'takes a new image where nobody knows what is loaded',
      withPolicy('Never', v2),
      { config: { entries: [buildItem()], loaded: [buildLoaded({ bootId: '' })] } },
      'want',
    ],
    ['releases as any other', markDeleted(withPolicy('Never')), { config: present }, 'release ModuleDeleted'],
  ]
  it.each(rows)('%s', (_title, module, scene, expected) => {
    expect(tellOne(module, scene)).toBe(expected)
  })

  it('leaves the plan as it is, and says what to do', () => {
    const scene = { modules: [withPolicy('Never', v2)], config: present }
    expect(plan(scene)).toEqual(['mod v1'])
    expect(decide(see(scene)).waits.map(({ message }) => message)).toEqual([
      "ns/mod: what the Module asks for now (registry.test/mod:v2) would need an unload, which its unload policy Never forbids; reboot the node, or change the Module's annotation kmm.sigs.x-k8s.io/unload-policy",
    ])
  })

  it('has the plan say again what is loaded, when it is set in the middle of a change', () => {
    for (const entries of [[buildItem(other)], []])
      expect(plan({ modules: [withPolicy('Never', v2)], config: { entries, loaded: [buildLoaded()] } })).toEqual([
        'mod v1',
      ])
  })

  describe('in an ordered upgrade', () => {
    const versioned = withPolicy('Never', { container: { ...v2.container, version: '2' } })
    const consent = { [getModuleVersionLabelName('ns', 'mod')]: '2' }
    const tellWith = (labels: Record<string, string>, node: Partial<NodeView> = {}) =>
      tellOne(versioned, { config: present, node: { labels: { role: 'worker', ...labels }, ...node } })

    it('keeps the old version until the reboot', () => {
      expect(tellWith(consent)).toBe('keep UnloadForbidden')
      expect(tellWith({ ...consent, [getWorkerPodVersionLabelName('ns', 'mod')]: '2' })).toBe('keep UnloadForbidden')
      expect(tellWith(consent, { bootId: 'boot-2' })).toBe('release VersionLabelMissing')
    })

    it('lets it go where the administrator has withdrawn the version', () => {
      expect(tellWith({})).toBe('release VersionLabelMissing')
    })
  })
})

describe('two Modules that ask for one kernel module', () => {
  const dashed = { modprobe: { moduleName: 'one-mod', dirName: '/opt' } }
  const ordered = { modprobe: { moduleName: 'top', modulesLoadingOrder: ['top', 'one_mod'], dirName: '/opt' } }
  const topOnly = { modprobe: { moduleName: 'top', dirName: '/opt' } }
  const item = (name: string, { modprobe } = dashed) => ({ name, config: buildModuleConfig({ modprobe }) })
  const at = (creationTimestamp: string) => ({ metadata: { creationTimestamp } })
  const [early, late] = [at('2029-01-01T00:00:00Z'), at('2029-01-02T00:00:00Z')]
  const a = buildModule({ name: 'a', container: dashed, ...late })
  const b = buildModule({ name: 'b', container: ordered, ...early })
  const bothOf = (config?: ConfigParts) => tell({ modules: [a, b], ...(config ? { config } : {}) })

  it('come one at a time: the older first', () => {
    expect(bothOf()).toEqual({ a: 'keep ModuleClaimed', b: 'want' })
  })

  it('come in the order of their names where they are of one age', () => {
    const twins = ['a', 'b'].map((name) => buildModule({ name, container: dashed, ...early }))
    expect(tell({ modules: twins })).toEqual({ a: 'want', b: 'keep ModuleClaimed' })
  })

  it('leave it to the one that has it by the plan or in the kernel, however young', () => {
    expect(bothOf({ entries: [buildItem(item('a'))] })).toEqual({ a: 'want', b: 'keep ModuleClaimed' })
    expect(bothOf({ loaded: [buildLoaded(item('a'))] })).toEqual({ a: 'want', b: 'keep ModuleClaimed' })
  })

  it('do not wait for one that cannot come', () => {
    const kept = buildModule({ name: 'b', container: ordered, metadata: { ...early.metadata, finalizers: [] } })
    expect(tell({ modules: [a, kept] })).toEqual({ a: 'want', b: 'keep FinalizerMissing' })
  })

  describe('and a third one', () => {
    const third = buildModule({ name: 'c', container: topOnly, ...late })
    const oldest = buildModule({ name: 'd', container: topOnly, ...at('2028-01-01T00:00:00Z') })
    const having = { entries: [buildItem(item('c', topOnly))] }

    it('do not wait for one that itself waits for the third', () => {
      const claimed = { b: 'keep ModuleClaimed', a: 'want' }
      expect(tell({ modules: [a, b, third], config: having })).toEqual({ ...claimed, c: 'want' })
      expect(tell({ modules: [a, b, oldest] })).toEqual({ ...claimed, d: 'want' })
    })

    it('wait where the third one waits, too', () => {
      expect(tell({ modules: [a, b, third] })).toEqual({
        a: 'keep ModuleClaimed',
        b: 'want',
        c: 'keep ModuleClaimed',
      })
    })

    it('wait for one that waits for the third no longer', () => {
      const config = { loaded: [buildLoaded(item('c', topOnly))] }
      const claimed = { b: 'keep ModuleClaimed', a: 'want', c: 'release ModuleDeleted' }
      expect(tell({ modules: [a, b, markDeleted(third)], config })).toEqual(claimed)
      expect(tell({ modules: [a, b, markDeleted(third)] })).toMatchObject({ b: 'want', a: 'keep ModuleClaimed' })
    })
  })

  it('wait for one that goes until it is unloaded, and no longer', () => {
    const going = markDeleted(b)
    const config = { loaded: [buildLoaded(item('b', ordered))] }
    expect(tell({ modules: [a, going], config })).toEqual({ a: 'keep ModuleClaimed', b: 'release ModuleDeleted' })
    expect(tell({ modules: [a, going] })).toMatchObject({ a: 'want' })
    expect(tell({ modules: [a, going], config, node: { bootId: 'boot-2' } })).toMatchObject({ a: 'want' })
  })

  it('do not meet on different nodes', () => {
    const elsewhere = buildModule({ name: 'b', container: ordered, spec: { selector: { role: 'other' } }, ...early })
    expect(tell({ modules: [a, elsewhere] })).toEqual({ a: 'want' })
  })

  it('keep what they have where both have it, and change nothing in the kernel', () => {
    const entries = [buildItem(item('a')), buildItem(item('b', ordered))]
    const loaded = [buildLoaded(item('a')), buildLoaded(item('b', ordered))]
    expect(bothOf({ entries, loaded })).toEqual({ a: 'keep ModuleClaimed', b: 'keep ModuleClaimed' })
    const changed = buildModule({ name: 'a', container: { ...dashed, ...v2.container }, ...late })
    expect(plan({ modules: [changed, b], config: { entries, loaded } })).toEqual(['a v1', 'b v1'])
    const rebooted = { modules: [changed, b], config: { entries, loaded }, node: { bootId: 'boot-2' } }
    expect(plan(rebooted)).toEqual(['a v2', 'b v1'])
  })

  it('do not take it from each other by an edit', () => {
    const config = { entries: [buildItem(item('b', { modprobe: { moduleName: 'x', dirName: '/opt' } }))] }
    const entries = [...config.entries, buildItem(item('a'))]
    expect(tell({ modules: [a, b], config: { entries } })).toEqual({ a: 'want', b: 'keep ModuleClaimed' })
    expect(plan({ modules: [a, b], config: { entries } })).toEqual(['b v1', 'a v1'])
  })

  it('are named again as they are loaded where what they ask for now is claimed', () => {
    const config = { entries: [buildItem(item('a'))], loaded: [buildLoaded(item('b', topOnly))] }
    expect(tell({ modules: [a, b], config })).toEqual({ a: 'want', b: 'keep ModuleClaimed' })
    const [action] = decide(see({ modules: [a, b], config })).actions
    expect(action).toMatchObject({ modules: [item('a'), item('b', topOnly)] })
  })

  it('do not meet where one only removes it as in-tree', () => {
    const removing = buildModule({ name: 'b', container: { inTreeModulesToRemove: ['one_mod'] }, ...early })
    expect(tell({ modules: [a, removing] })).toEqual({ a: 'want', b: 'want' })
  })

  it('do not meet where a raw command line says it all', () => {
    const modprobe = { ...dashed.modprobe, rawArgs: { load: ['one_mod'], unload: ['-r', 'one_mod'] } }
    const raw = buildModule({ name: 'b', container: { modprobe }, ...early })
    expect(tell({ modules: [a, raw] })).toEqual({ a: 'want', b: 'want' })
  })

  it('are told by whom it is had', () => {
    const { waits } = decide(see({ modules: [a, b] }))
    expect(waits.map(({ message }) => message)).toEqual([
      'ns/a: kernel module one_mod is that of Module ns/b on this node; delete one of the two Modules, or select different nodes',
    ])
  })
})

it('takes what is loaded back into the plan when the node is to have another version than the Module has', () => {
  const labels = { role: 'worker', [getWorkerPodVersionLabelName('ns', 'mod')]: '1' }
  const item = buildItem({ version: '1' })
  const loaded = { ...item, bootId: 'boot-1' }
  const modules = [buildModule({ container: { version: '2' } })]
  const planOf = (config: ConfigParts) => decide(see({ modules, node: { labels }, config }))
  const { actions, waits } = planOf({ loaded: [loaded] })
  expect(actions).toMatchObject([{ type: 'patchConfig', modules: [item] }])
  expect(waits).toMatchObject([{ reason: 'VersionDiffers' }])
  expect(planOf({ entries: [item], loaded: [loaded] }).actions).toEqual([])
  expect(planOf({ loaded: [{ ...loaded, bootId: 'boot-0' }] }).actions).toEqual([])
})
