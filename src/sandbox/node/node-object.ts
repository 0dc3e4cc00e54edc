import type { Node, NodeCondition } from 'kubernetes-types/core/v1.js'
import { formatTime } from './pod-status.ts'

/** What a virtual node says of itself. */
export interface NodeFacts {
  name: string
  kernelRelease: string
  bootId: string
  architecture: string
  labels: Readonly<Record<string, string>>
  taints: readonly { key: string; value?: string; effect: string }[]
  ready: boolean
  /** Where the kubelet serves logs; absent where nothing does. */
  kubeletPort?: number
  /** Epoch milliseconds. */
  nowMs: number
}

const kubeletVersion = 'v1.36.2+kmm-sandbox'

function readyCondition(facts: NodeFacts, before: readonly NodeCondition[]): NodeCondition {
  const now = formatTime(facts.nowMs)
  const old = before.find(({ type }) => type === 'Ready')
  const status = facts.ready ? 'True' : 'Unknown'
  const words = facts.ready
    ? { reason: 'KubeletReady', message: 'kubelet is posting ready status' }
    : { reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' }
  return {
    type: 'Ready',
    status,
    ...words,
    lastHeartbeatTime: facts.ready ? now : (old?.lastHeartbeatTime ?? now),
    lastTransitionTime: old?.status === status ? (old.lastTransitionTime ?? now) : now,
  }
}

/** A node's status, as its kubelet posts it. */
export function buildNodeStatus(facts: NodeFacts, before: readonly NodeCondition[] = []): NonNullable<Node['status']> {
  const resources = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '20Gi' }
  return {
    capacity: resources,
    allocatable: resources,
    conditions: [readyCondition(facts, before)],
    addresses: [
      { type: 'InternalIP', address: '127.0.0.1' },
      { type: 'Hostname', address: facts.name },
    ],
    ...(facts.kubeletPort === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } } }),
    nodeInfo: {
      architecture: facts.architecture,
      bootID: facts.bootId,
      containerRuntimeVersion: 'sandbox://1.0.0',
      kernelVersion: facts.kernelRelease,
      kubeProxyVersion: kubeletVersion,
      kubeletVersion,
      machineID: `machine-${facts.name}`,
      operatingSystem: 'linux',
      osImage: 'KMM sandbox',
      systemUUID: `system-${facts.name}`,
    },
  }
}

/** The Node object with which a virtual node registers. */
export function buildNode(facts: NodeFacts): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: facts.name,
      labels: {
        'kubernetes.io/hostname': facts.name,
        'kubernetes.io/arch': facts.architecture,
        'kubernetes.io/os': 'linux',
        ...facts.labels,
      },
    },
    spec: facts.taints.length > 0 ? { taints: [...facts.taints] } : {},
    status: buildNodeStatus(facts),
  }
}
