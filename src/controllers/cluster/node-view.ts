import type { Node } from 'kubernetes-types/core/v1.js'

export interface Taint {
  key: string
  value: string
  effect: string
}

/** What the rules use of a Node; a heartbeat leaves it equal, so it wakes nobody. */
export interface NodeView {
  name: string
  uid: string
  labels: Readonly<Record<string, string>>
  taints: readonly Taint[]
  /** As `uname -r` prints it. */
  kernelVersion: string
  bootId: string
  architecture: string
  ready: boolean
  unschedulable: boolean
}

/** Trims a Node to its view. */
export function trimNode(node: Node): NodeView {
  const { name = '', uid = '', labels = {} } = node.metadata ?? {}
  const { taints = [], unschedulable = false } = node.spec ?? {}
  const { nodeInfo, conditions = [] } = node.status ?? {}
  return {
    name,
    uid,
    labels,
    taints: taints.map(({ key, value = '', effect }) => ({ key, value, effect })),
    kernelVersion: nodeInfo?.kernelVersion ?? '',
    bootId: nodeInfo?.bootID ?? '',
    architecture: nodeInfo?.architecture ?? '',
    ready: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
    unschedulable,
  }
}

/** True when every label of the selector is on the node with the same value; an empty selector matches all. */
export function matchesSelector(
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}
