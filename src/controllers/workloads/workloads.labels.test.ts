import type { Pod } from 'kubernetes-types/core/v1.js'
import { describe, expect, it } from 'vitest'
import { type ClusterObjects, fillCaches } from '../../../test/builders/caches.ts'
import { buildModule, buildPluginModule, markDeleted } from '../../../test/builders/module.ts'
import { buildNode, cordoned } from '../../../test/builders/node.ts'
import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import { getDevicePluginReadyLabel, getDevicePluginTargetLabel, getDraReadyLabel } from '../../api/labels.ts'
import { createWorkloadRefusals } from '../cluster/refusals.ts'
import { type Action, decide } from './decide.ts'
import { observe } from './observe.ts'

const target = getDevicePluginTargetLabel('ns', 'mod')
const ready = getDevicePluginReadyLabel('ns', 'mod')
const draReady = getDraReadyLabel('ns', 'mod')
const module = buildModule({ spec: { devicePlugin: { container: { image: 'registry.test/plugin:v1' } } } })

function act(objects: ClusterObjects): readonly Action[] {
  const refusals = createWorkloadRefusals()
  return decide(observe('ns/mod', { caches: fillCaches(objects), refusals }), 0).actions
}

/** What becomes of the labels of each node. */
function labelsOf(objects: ClusterObjects): Record<string, Record<string, string | null>> {
  const changes = act(objects).flatMap((action) => (action.type === 'labelNode' ? [action] : []))
  return Object.fromEntries(changes.map(({ node, labels }) => [node, labels]))
}

interface PodParts {
  name?: string
  namespace?: string
  ready?: boolean
  role?: string
  deleting?: boolean
  finalizers?: string[]
}

function buildPluginPod(parts: PodParts = {}): Pod {
  const { name = 'plugin-1', namespace = 'ns', role = 'device-plugin', finalizers = [nodeLabelerFinalizer] } = parts
  const metadata = {
    name,
    namespace,
    uid: `uid-${namespace}-${name}`,
    resourceVersion: '1',
    finalizers,
    labels: {
      'kmm.node.kubernetes.io/module.name': 'mod',
      ...(role === '' ? {} : { 'kmm.node.kubernetes.io/role': role }),
    },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'plugin', uid: 'uid-ds' }],
    ...(parts.deleting ? { deletionTimestamp: '2030-01-01T00:00:00Z' } : {}),
  }
  return {
    metadata: metadata as unknown as NonNullable<Pod['metadata']>,
    spec: { nodeName: 'n1', containers: [{ name: 'device-plugin', image: 'plugin' }] },
    status: { conditions: [{ type: 'Ready', status: parts.ready === false ? 'False' : 'True' }] },
  }
}

describe('the label that a device plugin may run on a node', () => {
  const worker = { role: 'worker' }
  const labelled = { ...worker, [target]: '' }
  const rows: [string, ClusterObjects, Record<string, string | null> | undefined][] = [
    ['comes to a node that is selected', { modules: [module], nodes: [buildNode()] }, { [target]: '' }],
    ['is left where it is right', { modules: [module], nodes: [buildNode({ labels: labelled })] }, undefined],
    ['does not come to a cordoned node', { modules: [module], nodes: [buildNode({ taints: [cordoned] })] }, undefined],
    [
      'stays on a node that is cordoned later',
      { modules: [module], nodes: [buildNode({ labels: labelled, taints: [cordoned] })] },
      undefined,
    ],
    [
      'stays on a node that is not ready',
      { modules: [module], nodes: [buildNode({ labels: labelled, ready: false })] },
      undefined,
    ],
    [
      'goes when the selector does not match',
      { modules: [module], nodes: [buildNode({ labels: { [target]: '' } })] },
      { [target]: null },
    ],
    [
      'goes with the device plugin',
      { modules: [buildModule()], nodes: [buildNode({ labels: labelled })] },
      { [target]: null },
    ],
    [
      'goes when the Module is being deleted',
      { modules: [markDeleted(module)], nodes: [buildNode({ labels: labelled })] },
      { [target]: null },
    ],
    ['goes when the Module is gone', { nodes: [buildNode({ labels: labelled })] }, { [target]: null }],
    ['is not needed without a moduleLoader', { modules: [buildPluginModule()], nodes: [buildNode()] }, undefined],
    [
      'is left there where the Go operator set it',
      { modules: [buildPluginModule()], nodes: [buildNode({ labels: labelled })] },
      undefined,
    ],
  ]
  it.each(rows)('%s', (_title, objects, expected) => {
    expect(labelsOf(objects).n1).toEqual(expected)
  })

  it("heeds the Module's tolerations, and not those that workers have besides", () => {
    const pressure = { key: 'node.kubernetes.io/disk-pressure', value: '', effect: 'NoSchedule' }
    const tolerant = {
      ...module,
      spec: { ...module.spec, selector: worker, tolerations: [{ key: cordoned.key, operator: 'Exists' }] },
    }
    const nodes = [buildNode({ taints: [cordoned] }), buildNode({ name: 'n2', uid: 'uid-n2', taints: [pressure] })]
    expect(Object.keys(labelsOf({ modules: [tolerant], nodes }))).toEqual(['n1'])
  })
})

describe('the label that a device plugin is ready on a node', () => {
  const onNode = (...pods: Pod[]) => ({
    modules: [module],
    nodes: [buildNode({ labels: { role: 'worker', [target]: '' } })],
    pods,
  })
  const wasReady = (...pods: Pod[]) => ({
    modules: [module],
    nodes: [buildNode({ labels: { role: 'worker', [target]: '', [ready]: '' } })],
    pods,
  })
  const rows: [string, ClusterObjects, Record<string, string | null> | undefined][] = [
    ['comes with a pod that is ready', onNode(buildPluginPod()), { [ready]: '' }],
    ['comes with a pod of a very old DaemonSet', onNode(buildPluginPod({ role: '' })), { [ready]: '' }],
    ['does not come with one that is not', onNode(buildPluginPod({ ready: false })), undefined],
    ['does not come with one of another namespace', onNode(buildPluginPod({ namespace: 'evil' })), undefined],
    ['goes when its pod is not ready any more', wasReady(buildPluginPod({ ready: false })), { [ready]: null }],
    [
      'goes when its pod is being deleted',
      wasReady(buildPluginPod({ deleting: true, finalizers: ['x'] })),
      { [ready]: null },
    ],
    ['goes when its pod is gone', wasReady(), { [ready]: null }],
    [
      'stays while another pod is ready',
      wasReady(buildPluginPod({ ready: false }), buildPluginPod({ name: 'plugin-2' })),
      undefined,
    ],
    ['is another one for a DRA driver', onNode(buildPluginPod({ role: 'dra' })), { [draReady]: '' }],
  ]
  it.each(rows)('%s', (_title, objects, expected) => {
    expect(labelsOf(objects).n1).toEqual(expected)
  })
})

describe("the device plugin pods' finalizer", () => {
  const leaving = buildPluginPod({ deleting: true })

  it('goes after the label that it stands for', () => {
    const labels = { role: 'worker', [target]: '', [ready]: '' }
    const actions = act({ modules: [buildModule()], nodes: [buildNode({ labels })], pods: [leaving] })
    expect(actions.map(({ type }) => type)).toEqual(['labelNode', 'releasePod'])
  })

  it('goes when the Node is gone, too, and when the Module is', () => {
    expect(act({ modules: [buildModule()], pods: [leaving] }).map(({ type }) => type)).toEqual(['releasePod'])
    expect(act({ pods: [leaving] }).map(({ type }) => type)).toEqual(['releasePod'])
  })

  it('goes before anything is made, which a namespace that is going away refuses', () => {
    const actions = act({ modules: [module], pods: [leaving] })
    expect(actions.map(({ type }) => type)).toEqual(['releasePod', 'createServiceAccount', 'createDaemonSet'])
  })

  it('stays while the pod does, and others stay in any case', () => {
    expect(act({ pods: [buildPluginPod()] })).toEqual([])
    expect(act({ pods: [buildPluginPod({ deleting: true, finalizers: ['example.test/other'] })] })).toEqual([])
  })
})
