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

/** Taints by which the cluster says that a node does not answer; it takes them away soon after the node does. */
const awayTaints: ReadonlySet<string> = new Set(['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'])

/** True for a taint of a node that does not answer. */
export const isAwayTaint = ({ key }: Taint): boolean => awayTaints.has(key)
