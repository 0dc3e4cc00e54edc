import { getDevicePluginReadyLabel, getDevicePluginTargetLabel, getDraReadyLabel, roleLabel } from '../../api/labels.ts'
import { parseKey } from '../../kube/object.ts'
import { type Caches, daemonSetsByModule, podsByModule } from '../cluster/caches.ts'
import { matchesSelector } from '../cluster/node-view.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import type { ObservedWorkloads } from './observed.ts'

/** Roles of DaemonSets that are not device plugins; one without a role is (upstream: for upgrades). */
const otherRoles = new Set(['dra', 'module-loader'])

/** Reads a Module's device plugin; undefined when there is nothing of it. */
export function observe(key: string, caches: Caches): ObservedWorkloads | undefined {
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  const labels = [
    getDevicePluginTargetLabel(namespace, name),
    getDevicePluginReadyLabel(namespace, name),
    getDraReadyLabel(namespace, name),
  ]
  const selector = module?.spec?.selector
  const nodes = caches.nodes
    .list()
    .filter(
      (node) =>
        labels.some((label) => node.labels[label] !== undefined) ||
        (selector !== undefined && matchesSelector(node.labels, selector)),
    )
  const daemonSets = caches.daemonSets
    .byIndex(daemonSetsByModule, key)
    .filter(({ metadata }) => !otherRoles.has(metadata?.labels?.[roleLabel] ?? ''))
    .sort((left, right) =>
      String(left.metadata?.creationTimestamp) < String(right.metadata?.creationTimestamp) ? -1 : 1,
    )
  const pods = caches.pods.byIndex(podsByModule, key).filter(isPluginPod)
  return {
    namespace,
    name,
    ...(module ? { module } : {}),
    daemonSets,
    pods: pods.map((pod) => ({ pod, nodeExists: caches.nodes.get({ name: pod.nodeName }) !== undefined })),
    nodes,
  }
}
