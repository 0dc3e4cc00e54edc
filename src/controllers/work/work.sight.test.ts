import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { type ClusterObjects, fillCaches, noDepartedWorkers, noLostConfigs } from '../../../test/builders/caches.ts'
import { buildModule } from '../../../test/builders/module.ts'
import { buildNode } from '../../../test/builders/node.ts'
import {
  buildItem,
  buildLoaded,
  buildModuleConfig,
  buildNodeConfig,
} from '../../../test/builders/node-modules-config.ts'
import { buildWorker, hashKey, reportText, runningState, terminated, viewWorker } from '../../../test/builders/pod.ts'
import { loadIntent, startMs, typesOf, unloadIntent } from '../../../test/builders/work.ts'
import { workerHashAnnotation } from '../../api/annotations.ts'
import { nodeModulesConfigFinalizer } from '../../api/finalizers.ts'
import { getKernelModuleReadyNodeLabel, moduleNameLabel, moduleNamespaceLabel, roleLabel } from '../../api/labels.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import { createMappingResolver } from '../../kernel/resolver.ts'
import type { ContainerStateView } from '../cluster/pod-view.ts'
import { decide } from './decide.ts'
import { observe } from './observe.ts'
import type { ObservedNode } from './observed.ts'

const namespace = { metadata: { name: 'ns', uid: 'uid-ns', resourceVersion: '1' } }

function sources(objects: ClusterObjects): Parameters<typeof observe>[1] {
  return {
    caches: fillCaches(objects),
    resolver: createMappingResolver(),
    lost: noLostConfigs,
    departed: noDepartedWorkers,
    hashKey,
    operatorNamespace: 'kmm-operator-system',
    imageSource: 'worker' as const,
    refusals: new Map(),
    madeAtMs: new Map([['uid-made', startMs]]),
  }
}

function see(objects: ClusterObjects): ObservedNode {
  const nodes = [buildNode()]
  const observed = observe('n1', sources({ nodes, namespaces: [namespace], ...objects }))
  if (!observed || !('modules' in observed)) throw new Error('nothing observed')
  return observed
}

function buildPluginPod(metadata: Partial<NonNullable<Pod['metadata']>>): Pod {
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'plugin', uid: 'uid-ds' }]
  const name = `plugin-${metadata.namespace}-${Object.keys(metadata.labels ?? {}).length}`
  return {
    metadata: { name, uid: `uid-${name}`, resourceVersion: '1', ownerReferences, ...metadata },
    spec: { nodeName: 'n1', containers: [{ name: 'plugin', image: 'plugin' }] },
  }
}

describe('what is seen of a node', () => {
  it('is every Module of its plan, of its status, and of its own worker pods', () => {
    const config = buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded({ name: 'two' })] })
    const pods = [
      buildWorker(loadIntent({ name: 'three' })),
      buildWorker(loadIntent({ name: 'forged' }), { hash: 'x' }),
    ]
    const { modules } = see({ nodeModulesConfigs: [config], pods })
    expect(modules.map(({ name, workers }) => [name, workers.length])).toEqual([
      ['mod', 0],
      ['three', 1],
      ['two', 0],
    ])
  })

  it("is how old its worker pods are by the operator's own clock, which may be another than the API server's", () => {
    const pod = buildWorker(loadIntent())
    const made = { ...pod, metadata: { ...pod.metadata, creationTimestamp: '2029-12-31T23:00:00Z', uid: 'uid-made' } }
    const { modules } = see({ nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })], pods: [made] })
    expect(modules[0]?.workers[0]?.createdAtMs).toBe(startMs)
  })

  it('is a stray where a worker pod of it is not believed any more, and that is deleted', () => {
    const config = buildNodeConfig({ entries: [buildItem()] })
    const owned = {
      ownerReferences: [{ apiVersion: 'v1', kind: 'NodeModulesConfig', name: 'n1', uid: config.metadata.uid ?? '' }],
    }
    const believed = buildWorker(loadIntent())
    const stray = buildWorker(loadIntent({ name: 'two' }), { hash: 'a'.repeat(64) })
    const foreign = buildWorker(loadIntent({ name: 'three' }), { hash: 'b'.repeat(64) })
    const pods = [
      believed,
      { ...stray, metadata: { ...stray.metadata, ...owned, uid: 'uid-stray' } },
      { ...foreign, metadata: { ...foreign.metadata, ownerReferences: [] } },
    ]
    const observed = see({ nodeModulesConfigs: [config], pods })
    expect(observed.strays.map(({ name }) => name)).toEqual([stray.metadata?.name])
    expect(decide(observed, startMs).actions).toContainEqual({
      type: 'deletePod',
      namespace: 'ns',
      name: stray.metadata?.name,
      uid: 'uid-stray',
    })
  })

  it("counts a Module's own plugin pods only", () => {
    const pods = [
      buildPluginPod({ namespace: 'ns', labels: { [moduleNameLabel]: 'mod', [roleLabel]: 'device-plugin' } }),
      buildPluginPod({ namespace: 'ns', labels: { [moduleNameLabel]: 'mod' } }),
      buildPluginPod({ namespace: 'other', labels: { [moduleNameLabel]: 'mod', [roleLabel]: 'device-plugin' } }),
      // Whoever makes pods elsewhere cannot hold up an unload here.
      buildPluginPod({
        namespace: 'evil',
        labels: { [moduleNameLabel]: 'mod', [moduleNamespaceLabel]: 'ns', [roleLabel]: 'dra' },
      }),
    ]
    const { modules } = see({ nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })], pods })
    expect(modules[0]?.pluginPods).toBe(2)
  })

  it('counts no plugin pods that run without the module, as those of a Module whose loader was removed', () => {
    const select = (nodeSelector: Record<string, string>, extra: Record<string, string> = {}): Pod => ({
      ...buildPluginPod({ namespace: 'ns', labels: { [moduleNameLabel]: 'mod', ...extra } }),
      spec: { nodeName: 'n1', containers: [], nodeSelector },
    })
    const needy = select({ [getKernelModuleReadyNodeLabel('ns', 'mod')]: '' })
    const pods = [needy, select({ worker: '' }, { [roleLabel]: 'device-plugin' })]
    const { modules } = see({ nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })], pods })
    expect(modules[0]?.pluginPods).toBe(1)
  })

  it.each([
    ['there', [namespace], false],
    ['going away', [{ ...namespace, status: { phase: 'Terminating' } }], true],
    ['gone', [], true],
  ])('is whether the namespace is %s', (_title, namespaces, terminating) => {
    const { modules } = see({ namespaces, nodeModulesConfigs: [buildNodeConfig({ entries: [buildItem()] })] })
    expect(modules[0]?.namespaceTerminating).toBe(terminating)
  })

  it('is what the plan would say now, where what it says has something unloaded', () => {
    const other = buildItem({ config: buildModuleConfig({ containerImage: 'registry.test/mod:v2' }) })
    const answerOf = (entry: NodeModuleItem) => {
      const nodeModulesConfigs = [buildNodeConfig({ entries: [entry], loaded: [buildLoaded()] })]
      return see({ nodeModulesConfigs, modules: [buildModule()] }).modules[0]?.answer?.kind
    }
    expect([answerOf(buildItem()), answerOf(other)]).toEqual([undefined, 'keep'])
  })

  it('is nothing without a Node, or while its NodeModulesConfig is being deleted', () => {
    const config = buildNodeConfig({ entries: [buildItem()] })
    const deleted = buildNodeConfig({ metadata: { deletionTimestamp: '2030-01-01T00:00:00Z', finalizers: ['x'] } })
    expect(observe('n1', sources({ nodeModulesConfigs: [config] }))).toBeUndefined()
    expect(observe('n1', sources({ nodes: [buildNode()], nodeModulesConfigs: [deleted] }))).toBeUndefined()
    expect(observe('n1', sources({ nodes: [buildNode()] }))).toBeUndefined()
  })
})

describe('a node whose NodeModulesConfig is gone', () => {
  const labels = { [getKernelModuleReadyNodeLabel('ns', 'mod')]: '', other: '' }
  const act = (objects: ClusterObjects) => {
    const observed = observe('n1', sources(objects))
    return observed === undefined ? [] : decide(observed, startMs).actions
  }

  it('loses its ready labels: nobody watches over what they say', () => {
    expect(act({ nodes: [buildNode({ labels })] })).toEqual([
      { type: 'labelNode', node: 'n1', labels: { [getKernelModuleReadyNodeLabel('ns', 'mod')]: null } },
    ])
  })

  it('keeps them while the NodeModulesConfig is being deleted, and its status speaks of the boot that runs', () => {
    const metadata = { deletionTimestamp: '2030-01-01T00:00:00Z', finalizers: ['x'] }
    const nodeModulesConfigs = [buildNodeConfig({ entries: [buildItem()], loaded: [buildLoaded()], metadata })]
    expect(act({ nodes: [buildNode({ labels })], nodeModulesConfigs })).toEqual([])
    expect(act({ nodes: [buildNode({ labels, bootId: 'boot-2' })], nodeModulesConfigs })).toEqual([
      { type: 'labelNode', node: 'n1', labels: { [getKernelModuleReadyNodeLabel('ns', 'mod')]: null } },
    ])
  })
})

describe("a worker pod that the Go operator made and that waits for that operator's finalizer", () => {
  function buildStranded(changes: Partial<NonNullable<Pod['metadata']>> = {}): Pod {
    const pod = buildWorker(unloadIntent(), { hash: '123' })
    const deletionTimestamp = '2030-01-01T00:00:00Z' as unknown as NonNullable<Pod['metadata']>['deletionTimestamp']
    const finalizers = [nodeModulesConfigFinalizer]
    const metadata = {
      ...pod.metadata,
      resourceVersion: '1',
      finalizers,
      ...(deletionTimestamp ? { deletionTimestamp } : {}),
    }
    return { ...pod, metadata: { ...metadata, ...changes } }
  }
  const act = (objects: ClusterObjects): string[] => {
    const observed = observe('n1', sources(objects))
    return observed ? typesOf(decide(observed, startMs).actions) : []
  }

  it('is freed of it, also where the Node is gone', () => {
    expect(act({ pods: [buildStranded()] })).toEqual(['releasePod'])
    expect(act({ pods: [buildStranded()], nodes: [buildNode()], nodeModulesConfigs: [buildNodeConfig()] })).toEqual([
      'releasePod',
    ])
  })

  it('is freed only after its result is written', () => {
    const load = buildWorker(loadIntent(), { hash: '123' })
    const status = {
      phase: 'Succeeded',
      containerStatuses: [
        {
          name: 'worker',
          image: '',
          imageID: '',
          ready: false,
          restartCount: 0,
          state: { terminated: { exitCode: 0 } },
        },
      ],
    }
    const pod = {
      ...buildStranded({ annotations: { ...load.metadata?.annotations, [workerHashAnnotation]: '123' } }),
      status,
    }
    const labels = { ...load.metadata?.labels }
    const nodeModulesConfigs = [buildNodeConfig({ entries: [buildItem()] })]
    const pods = [{ ...pod, metadata: { ...pod.metadata, labels } }]
    const modules = [buildModule()]
    expect(act({ pods, modules, nodes: [buildNode()], namespaces: [namespace], nodeModulesConfigs })).toEqual([
      'writeStatus',
      'labelNode',
      'recordEvent',
      'releasePod',
    ])
  })

  it('is left while it is not being deleted, or still runs, or is held by somebody else', () => {
    const running = {
      phase: 'Running',
      containerStatuses: [
        { name: 'worker', image: '', imageID: '', ready: true, restartCount: 0, state: { running: {} } },
      ],
    }
    expect(act({ pods: [{ ...buildStranded(), status: running }] })).toEqual([])
    expect(act({ pods: [buildStranded({ finalizers: ['example.test/other'] })] })).toEqual([])
    const { deletionTimestamp: _none, ...metadata } = buildStranded().metadata ?? {}
    expect(act({ pods: [{ ...buildStranded(), metadata }] })).toEqual([])
  })
})

describe('a worker pod that went before anybody read what it had done', () => {
  const config = buildNodeConfig({ loaded: [] })

  function seeDeparted(state: ContainerStateView): ObservedNode {
    const pod = viewWorker(loadIntent(), {
      deleting: true,
      container: { ...viewWorker(loadIntent()).container, state },
    })
    const all = sources({ nodes: [buildNode()], namespaces: [namespace], nodeModulesConfigs: [config] })
    const observed = observe('n1', { ...all, departed: { ...noDepartedWorkers, list: () => [pod] } })
    if (!observed || !('modules' in observed)) throw new Error('nothing observed')
    return observed
  }

  it('is read all the same, and forgotten once the status says it', () => {
    const { actions } = decide(seeDeparted(terminated(0, reportText())), startMs)
    expect(typesOf(actions)).toEqual(['writeStatus', 'forgetPods', 'recordEvent'])
    expect(actions[0]).toMatchObject({ modules: [{ name: 'mod', bootId: 'boot-1' }] })
    expect(actions[1]).toMatchObject({ node: 'n1', uids: ['uid-pod'] })
  })

  it('may have loaded what it was at', () => {
    const { actions } = decide(seeDeparted(runningState), startMs)
    expect(actions[0]).toMatchObject({ type: 'writeStatus', modules: [{ name: 'mod', bootId: '' }] })
  })
})
