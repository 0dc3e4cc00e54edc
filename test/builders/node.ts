import type { Node } from 'kubernetes-types/core/v1.js'
import type { NodeView } from '../../src/controllers/cluster/node-view.ts'

/** A ready node that the usual Module selects. */
export function buildNode(changes: Partial<NodeView> = {}): NodeView {
  return {
    name: 'n1',
    uid: 'uid-n1',
    labels: { role: 'worker' },
    taints: [],
    kernelVersion: '6.1.0-1-amd64',
    bootId: 'boot-1',
    architecture: 'amd64',
    ready: true,
    unschedulable: false,
    ...changes,
  }
}

/** The Node that is trimmed to this view. */
export function toNode(view: NodeView): Node {
  const { name, uid, labels, taints, kernelVersion, bootId, architecture, ready, unschedulable } = view
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid, resourceVersion: '1', labels: { ...labels } },
    spec: { taints: [...taints], unschedulable },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      nodeInfo: { kernelVersion, bootID: bootId, architecture } as NonNullable<Node['status']>['nodeInfo'] & object,
    },
  }
}

export const cordoned = { key: 'node.kubernetes.io/unschedulable', value: '', effect: 'NoSchedule' }
