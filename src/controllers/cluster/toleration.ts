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

/** The first taint that keeps new modules off the node; `PreferNoSchedule` does not count. */
export function findUntoleratedTaint(node: NodeView, tolerations: readonly Toleration[]): Taint | undefined {
  return node.taints.find(
    (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  )
}
