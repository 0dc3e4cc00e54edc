import { getDevicePluginReadyLabel, getDevicePluginTargetLabel, getDraReadyLabel } from '../../api/labels.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { type PluginRole, roleOfPod } from '../cluster/plugin-role.ts'
import { isPluginTarget } from '../cluster/plugin-target.ts'
import type { ObservedWorkloads } from './observed.ts'

/** A node and the labels to change there: a value to set, null to remove. */
export interface NodeLabels {
  node: string
  labels: Record<string, string | null>
}

function isTarget(node: NodeView, label: string, { module }: ObservedWorkloads): boolean {
  if (!module?.spec?.devicePlugin || module.metadata.deletionTimestamp !== undefined) return false
  if (module.spec.moduleLoader) return isPluginTarget(node, module)
  // The DaemonSet goes by the selector alone; what an upstream operator set does no harm.
  return node.labels[label] !== undefined && matchesSelector(node.labels, module.spec.selector)
}

/** Names of the nodes with a pod of the role that is ready and stays. */
function listReadyNodes(role: PluginRole, { pods }: ObservedWorkloads): Set<string> {
  return new Set(
    pods.filter(({ pod }) => pod.ready && !pod.deleting && roleOfPod(pod) === role).map(({ pod }) => pod.nodeName),
  )
}

/** One change for each node whose device plugin labels are not right. */
export function decideNodeLabels(observed: ObservedWorkloads): NodeLabels[] {
  const { namespace, name } = observed
  const target = getDevicePluginTargetLabel(namespace, name)
  const pluginReady = listReadyNodes('device-plugin', observed)
  const draReady = listReadyNodes('dra', observed)
  return observed.nodes.flatMap((node) => {
    const wanted: [string, boolean][] = [
      [target, isTarget(node, target, observed)],
      [getDevicePluginReadyLabel(namespace, name), pluginReady.has(node.name)],
      [getDraReadyLabel(namespace, name), draReady.has(node.name)],
    ]
    const changes = wanted.filter(([label, isWanted]) => (node.labels[label] !== undefined) !== isWanted)
    if (changes.length === 0) return []
    return [
      {
        node: node.name,
        labels: Object.fromEntries(changes.map(([label, isWanted]) => [label, isWanted ? '' : null])),
      },
    ]
  })
}
