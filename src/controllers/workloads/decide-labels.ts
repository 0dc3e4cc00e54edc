import { getDevicePluginReadyLabel, getDevicePluginTargetLabel, getDraReadyLabel, roleLabel } from '../../api/labels.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { findUntoleratedTaint } from '../cluster/toleration.ts'
import type { ObservedWorkloads } from './observed.ts'

/** A node and the labels to change there: a value to set, null to remove. */
export interface NodeLabels {
  node: string
  labels: Record<string, string | null>
}

/** A node that has the label keeps it through taints; a new one must be schedulable (upstream: target labels). */
function isTarget(node: NodeView, label: string, { module }: ObservedWorkloads): boolean {
  const spec = module?.spec
  if (!spec?.devicePlugin || !spec.moduleLoader || module?.metadata.deletionTimestamp !== undefined) return false
  if (!matchesSelector(node.labels, spec.selector)) return false
  return node.labels[label] !== undefined || findUntoleratedTaint(node, spec.tolerations ?? []) === undefined
}

function hasReadyPod(nodeName: string, role: 'dra' | 'device-plugin', { pods }: ObservedWorkloads): boolean {
  return pods.some(
    ({ pod }) =>
      pod.nodeName === nodeName && pod.ready && !pod.deleting && (pod.labels[roleLabel] === 'dra') === (role === 'dra'),
  )
}

/** The device plugin labels that a node is to have, each with whether it is wanted. */
function listWanted(node: NodeView, observed: ObservedWorkloads): [string, boolean][] {
  const { namespace, name } = observed
  const target = getDevicePluginTargetLabel(namespace, name)
  return [
    [target, isTarget(node, target, observed)],
    [getDevicePluginReadyLabel(namespace, name), hasReadyPod(node.name, 'device-plugin', observed)],
    [getDraReadyLabel(namespace, name), hasReadyPod(node.name, 'dra', observed)],
  ]
}

/** One change for each node whose device plugin labels are not right. */
export function decideNodeLabels(observed: ObservedWorkloads): NodeLabels[] {
  return observed.nodes.flatMap((node) => {
    const changes = listWanted(node, observed).filter(
      ([label, wanted]) => (node.labels[label] !== undefined) !== wanted,
    )
    if (changes.length === 0) return []
    return [
      { node: node.name, labels: Object.fromEntries(changes.map(([label, wanted]) => [label, wanted ? '' : null])) },
    ]
  })
}
