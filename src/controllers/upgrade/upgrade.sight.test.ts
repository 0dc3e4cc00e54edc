import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { type ClusterObjects, fillCaches } from '../../../test/builders/caches.ts'
import { buildModule, buildPluginModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode, toNode } from '../../../test/builders/node.ts'
import { buildItem, buildLoaded, buildNodeConfig } from '../../../test/builders/node-modules-config.ts'
import {
  getKernelModuleReadyNodeLabel,
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
  moduleNameLabel,
  roleLabel,
} from '../../api/labels.ts'
import type { KubeClient } from '../../kube/client.ts'
import { createUpgradeController } from './controller.ts'
import { type Action, decide } from './decide.ts'
import { observe } from './observe.ts'

type Labels = Record<string, string>

/** The three labels of a Module, those that are given. */
function versions([module, worker, schedule]: (string | undefined)[], name = 'mod', namespace = 'ns'): Labels {
  const all: [string, string | undefined][] = [
    [getModuleVersionLabelName(namespace, name), module],
    [getWorkerPodVersionLabelName(namespace, name), worker],
    [getSchedulePodVersionLabelName(namespace, name), schedule],
  ]
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

const nodeWith = (...labels: Labels[]) => buildNode({ labels: Object.assign({ role: 'worker' }, ...labels) as Labels })
const versioned = (name: string, version = '2', namespace = 'ns') =>
  buildModule({ name, namespace, container: { version } })

function act(objects: ClusterObjects): readonly Action[] {
  const observed = observe('n1', fillCaches(objects))
  return observed ? decide(observed).actions : []
}

function buildPluginPod(role: string, namespace: string, nodeSelector: Labels, phase = 'Running'): Pod {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'plugin', uid: 'uid-ds' }]
  const labels = { [moduleNameLabel]: 'mod', ...(role === '' ? {} : { [roleLabel]: role }) }
  return {
    metadata: { name: 'plugin', namespace, uid: 'uid-plugin', resourceVersion: '1', labels, ownerReferences },
    spec: { nodeName: 'n1', nodeSelector, containers: [{ name: 'plugin', image: 'plugin' }] },
    status: { phase },
  }
}

describe('the labels of several Modules', () => {
  it('change in one patch, each by its own state', () => {
    const modules = [versioned('one'), versioned('two'), versioned('three'), versioned('four')]
    const labels = [
      versions(['2'], 'one'),
      versions(['2', '1', '1'], 'two'),
      versions(['2', '2', '2'], 'three'),
      versions(['2', '1'], 'four'),
    ]
    expect(act({ modules, nodes: [nodeWith(...labels)] })).toEqual([
      {
        type: 'labelNode',
        node: 'n1',
        labels: {
          'beta.kmm.node.kubernetes.io/version-worker-pod.ns.one': '2',
          'beta.kmm.node.kubernetes.io/version-schedule-pod.ns.two': null,
          'beta.kmm.node.kubernetes.io/version-worker-pod.ns.four': null,
        },
      },
    ])
  })

  it('that are as they should be are not written', () => {
    const modules = [versioned('one'), versioned('two', '2', 'other')]
    const labels = [versions(['2', '2', '2'], 'one'), versions(['2', '2', '2'], 'two', 'other')]
    expect(act({ modules, nodes: [nodeWith(...labels)] })).toEqual([])
    expect(observe('n1', fillCaches({ modules, nodes: [nodeWith()] }))).toBeUndefined()
  })

  it('are told apart where namespaces and names share their letters, and where names have dots', () => {
    const modules = [versioned('b-c', '2', 'a'), versioned('c', '2', 'a-b'), versioned('mod.v.x'), versioned('x')]
    const labels = [versions(['2'], 'b-c', 'a'), versions(['2', '2', '2'], 'c', 'a-b'), versions(['2'], 'mod.v.x')]
    const [action] = act({ modules, nodes: [nodeWith(...labels)] })
    expect(action?.labels).toEqual({
      'beta.kmm.node.kubernetes.io/version-worker-pod.a.b-c': '2',
      'beta.kmm.node.kubernetes.io/version-worker-pod.ns.mod.v.x': '2',
    })
  })
})

describe('a Module whose labels mean nothing', () => {
  const nodes = [nodeWith(versions(['1', '1', '1']))]
  const gone = { ...versions([undefined, '1', '1']) }
  const cleaned = Object.fromEntries(Object.keys(gone).map((key) => [key, null]))
  const rows: [string, ClusterObjects][] = [
    ['does not exist', {}],
    ['is being deleted', { modules: [markDeleted(versioned('mod'))] }],
    ['does not select the node', { modules: [buildModule({ spec: { selector: { role: 'other' } } })] }],
    ['has no module loader', { modules: [buildPluginModule()] }],
  ]

  it('that no label has room for gets none, and keeps nobody from theirs', () => {
    const long = 'm'.repeat(45)
    const modules = [versioned(long), versioned('one')]
    const [action] = act({ modules, nodes: [nodeWith(versions(['2'], long), versions(['2'], 'one'))] })
    expect(action?.labels).toEqual({ 'beta.kmm.node.kubernetes.io/version-worker-pod.ns.one': '2' })
  })

  it.each(rows)('that %s loses the internal ones when nothing of it is left, and only those', (_what, objects) => {
    expect(act({ nodes, ...objects }).map(({ labels }) => labels)).toEqual([cleaned])
    const left: ClusterObjects[] = [
      { nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })] },
      { nodeModulesConfigs: [buildNodeConfig({ loaded: [buildLoaded()] })] },
      { pods: [buildPluginPod('dra', 'ns', { [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' })] },
    ]
    for (const each of left) expect(act({ nodes, ...objects, ...each })).toEqual([])
  })

  it('without a version loses the internal ones at once', () => {
    const nodeModulesConfigs = [buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()] })]
    const actions = act({ nodes, modules: [buildModule()], nodeModulesConfigs })
    expect(actions.map(({ labels }) => labels)).toEqual([cleaned])
  })
})

describe('what the worker label waits for', () => {
  const leaving = { modules: [versioned('mod')], nodes: [nodeWith(versions(['2', '1']))] }
  const needy = { [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' }

  it.each(['device-plugin', 'dra', ''])('is every pod of the role "%s" that needs the module', (role) => {
    for (const phase of ['Pending', 'Running', 'Failed', 'Succeeded'])
      expect(act({ ...leaving, pods: [buildPluginPod(role, 'ns', needy, phase)] })).toEqual([])
  })

  it("is no pod that runs without the module, and none of another namespace's Module", () => {
    expect(act({ ...leaving, pods: [buildPluginPod('dra', 'ns', { role: 'worker' })] })).toHaveLength(1)
    expect(act({ ...leaving, pods: [buildPluginPod('dra', 'other', needy)] })).toHaveLength(1)
  })

  it('before it comes is nothing where the version that is asked for is there already: its unload is given up', () => {
    const asked = { modules: [versioned('mod')], nodes: [nodeWith(versions(['2']))] }
    const [old, present] = ['1', '2'].map((version) => buildNodeConfig({ loaded: [buildLoaded({ version })] }))
    const left = buildNodeConfig({ entries: [buildItem({ version: '1' })], loaded: [buildLoaded({ version: '2' })] })
    const unversioned = buildNodeConfig({ loaded: [buildLoaded()] })
    const actOn = (config = buildNodeConfig()) => act({ ...asked, nodeModulesConfigs: [config] })
    expect([actOn(old), actOn(left), actOn(unversioned)]).toEqual([[], [], []])
    expect(actOn(present)).toMatchObject([{ labels: { 'beta.kmm.node.kubernetes.io/version-worker-pod.ns.mod': '2' } }])
  })

  it('before it comes is an unload, not the version of a Module whose label has the same name', () => {
    const name = 'mod.version'
    const asked = versions(['2'], name)
    const ready = getKernelModuleReadyNodeLabel('ns', name)
    const modules = [versioned(name)]
    expect(act({ modules, nodes: [nodeWith(asked, { [ready]: '1' })] })).toHaveLength(1)
    expect(act({ modules, nodes: [nodeWith(asked, { [ready]: '' })] })).toEqual([])
  })
})

describe('a node is looked at again', () => {
  const labelled = nodeWith(versions(['2']))
  const other = buildNode({ name: 'n2', uid: 'uid-n2' })

  function watch(objects: ClusterObjects) {
    const caches = fillCaches(objects)
    const woken = new Set<string>()
    const wake = (key: string): void => void woken.add(key)
    createUpgradeController(caches, {} as KubeClient).watch(wake, wake)
    return { caches, woken }
  }

  it('when its version labels change, or what is planned and loaded there', () => {
    const { caches, woken } = watch({ nodes: [other] })
    caches.nodes.written({ ...toNode(labelled) })
    expect([...woken]).toEqual(['n1'])
    woken.clear()
    caches.nodeModulesConfigs.written(buildNodeConfig({ entries: [buildItem()] }))
    caches.nodeModulesConfigs.written(buildNodeConfig({ name: 'n2' }))
    expect([...woken]).toEqual(['n1'])
  })

  it('when a pod of a device plugin comes or goes', () => {
    const { caches, woken } = watch({ nodes: [labelled, other] })
    const pod = buildPluginPod('device-plugin', 'ns', {})
    caches.pods.written(pod)
    expect([...woken]).toEqual(['n1'])
    woken.clear()
    caches.pods.deleted({ namespace: 'ns', name: 'plugin' }, 'uid-plugin')
    expect([...woken]).toEqual(['n1'])
  })

  it('when a Module that its labels name comes, changes or goes, and not for its status', () => {
    const { caches, woken } = watch({ nodes: [labelled, other] })
    const module = versioned('mod')
    const write = (metadata: object, rest: object = {}): void =>
      caches.modules.written({ ...module, ...rest, metadata: { ...module.metadata, ...metadata } })
    const takeWoken = (): string[] => {
      const keys = [...woken]
      woken.clear()
      return keys
    }
    write({ resourceVersion: '11' })
    expect(takeWoken()).toEqual(['n1'])
    write({ resourceVersion: '12' }, { status: { observedGeneration: 1 } })
    caches.modules.written(versioned('unnamed'))
    expect(takeWoken()).toEqual([])
    write({ resourceVersion: '13', generation: 2 })
    expect(takeWoken()).toEqual(['n1'])
    const deletionTimestamp = '2030-01-01T00:00:00Z'
    write({ resourceVersion: '14', generation: 2, deletionTimestamp })
    expect(takeWoken()).toEqual(['n1'])
    write({ resourceVersion: '15', generation: 2, deletionTimestamp, finalizers: [] })
    expect(takeWoken()).toEqual(['n1'])
  })
})
