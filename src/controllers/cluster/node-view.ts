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

function readInfo({ status }: Node): Pick<NodeView, 'kernelVersion' | 'bootId' | 'architecture'> {
  const info = status?.nodeInfo
  if (!info) return { kernelVersion: '', bootId: '', architecture: '' }
  return { kernelVersion: info.kernelVersion, bootId: info.bootID, architecture: info.architecture }
}

/** Trims a Node to its view. */
export function trimNode(node: Node): NodeView {
  const { name = '', uid = '', labels = {} } = node.metadata ?? {}
  const taints = node.spec?.taints ?? []
  return {
    name,
    uid,
    labels,
    taints: taints.map(({ key, value, effect }) => ({ key, value: value ?? '', effect })),
    ...readInfo(node),
    ready: (node.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True'),
    unschedulable: node.spec?.unschedulable === true,
  }
}

/** True when every label of the selector is on the node with the same value; an empty selector matches all. */
export function matchesSelector(
  labels: Readonly<Record<string, string>>,
  selector: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}
