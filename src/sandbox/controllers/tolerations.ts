import type { Taint, Toleration } from 'kubernetes-types/core/v1.js'

const isOrAny = (wanted: string | undefined, actual: string): boolean => !wanted || wanted === actual

/** True when a toleration covers a taint; without a key it must say `Exists`, and then covers every key. */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key, operator = 'Equal', value = '', effect } = toleration
  if (!isOrAny(effect, taint.effect) || !isOrAny(key, taint.key)) return false
  if (operator === 'Exists') return true
  return operator === 'Equal' && Boolean(key) && value === (taint.value ?? '')
}

/** The taints with one of these effects that nothing tolerates. */
export function findUntolerated(
  taints: readonly Taint[],
  tolerations: readonly Toleration[],
  effects: readonly string[],
): Taint[] {
  return taints
    .filter((taint) => effects.includes(taint.effect))
    .filter((taint) => !tolerations.some((toleration) => tolerates(toleration, taint)))
}

/**
 * For how many seconds a pod may stay on a node with these taints: none when one of them is not tolerated, for ever when
 * no toleration sets a limit, else the shortest limit.
 */
export function tolerationSeconds(taints: readonly Taint[], tolerations: readonly Toleration[]): number {
  const evicting = taints.filter((taint) => taint.effect === 'NoExecute')
  const limits = evicting.map((taint) => {
    const matching = tolerations.filter((toleration) => tolerates(toleration, taint))
    if (matching.length === 0) return 0
    return Math.min(...matching.map((toleration) => toleration.tolerationSeconds ?? Number.POSITIVE_INFINITY))
  })
  return Math.max(0, Math.min(Number.POSITIVE_INFINITY, ...limits))
}
