import type { Toleration } from '../../api/core.generated.ts'
import type { NodeView, Taint } from './node-view.ts'

const pressureTaints = ['disk-pressure', 'memory-pressure', 'pid-pressure']

/** Taints under which KMM loads modules whatever the Module says (upstream: internal tolerations). */
export const internalTolerations: readonly Toleration[] = pressureTaints.map((name) => ({
  key: `node.kubernetes.io/${name}`,
  operator: 'Exists',
  effect: 'NoSchedule',
}))

/** Kubernetes' rule for one toleration and one taint. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false
  if (toleration.key && toleration.key !== taint.key) return false
  if (toleration.operator === 'Exists') return true
  return (toleration.key ?? '') !== '' && (toleration.value ?? '') === taint.value
}

/** The taints that keep new modules off the node; `PreferNoSchedule` does not count. */
export function listUntoleratedTaints(node: NodeView, tolerations: readonly Toleration[]): Taint[] {
  return node.taints.filter(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  )
}

/** The first of them. */
export function findUntoleratedTaint(node: NodeView, tolerations: readonly Toleration[]): Taint | undefined {
  return listUntoleratedTaints(node, tolerations)[0]
}

const cordon: Toleration = { key: 'node.kubernetes.io/unschedulable', operator: 'Exists', effect: 'NoSchedule' }

/** Every DaemonSet's pods are made on nodes with these taints, whatever their template says. */
const daemonTolerations: readonly Toleration[] = [...internalTolerations, cordon]

/**
 * True for a node that a taint keeps from being counted by DaemonSets whose pods have these tolerations; a pod that is there
 * may stay. Those of a node that does not answer are left aside: it is counted on.
 */
export function isOutOfDaemonSets(node: NodeView, tolerations: readonly Toleration[]): boolean {
  return listUntoleratedTaints(node, [...tolerations, ...daemonTolerations]).some((taint) => !isAwayTaint(taint))
}

/** Taints by which the cluster says that a node does not answer; it takes them away soon after the node does. */
const awayTaints: ReadonlySet<string> = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'])

/** True for a taint of a node that does not answer. */
export const isAwayTaint = ({ key }: Taint): boolean => awayTaints.has(key)
