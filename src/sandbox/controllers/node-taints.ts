import type { Taint } from 'kubernetes-types/core/v1.js'
import { formatTime } from '../apiserver/deletion.ts'
import type { Node } from './placement.ts'

const prefix = 'node.kubernetes.io/'

/** The taint key for a condition's type and status; other states of conditions taint nothing. */
const conditionTaints: Readonly<Record<string, string>> = {
  'Ready=False': 'not-ready',
  'Ready=Unknown': 'unreachable',
  'MemoryPressure=True': 'memory-pressure',
  'DiskPressure=True': 'disk-pressure',
  'PIDPressure=True': 'pid-pressure',
  'NetworkUnavailable=True': 'network-unavailable',
}
const readiness = ['not-ready', 'unreachable'].map((name) => prefix + name)
const managed = [...Object.values(conditionTaints), 'unschedulable'].map((name) => prefix + name)

function listWanted(node: Node): Taint[] {
  const conditions = node.status?.conditions ?? []
  const keys = conditions.flatMap(({ type, status }) => {
    const name = conditionTaints[`${type}=${status}`]
    return name === undefined ? [] : [prefix + name]
  })
  if (node.spec?.unschedulable === true) keys.push(`${prefix}unschedulable`)
  const wanted = keys.map((key): Taint => ({ key, effect: 'NoSchedule' }))
  return [...wanted, ...readiness.filter((key) => keys.includes(key)).map((key) => ({ key, effect: 'NoExecute' }))]
}

const isSame = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect

/**
 * The taints that a node should have: those by its conditions and `unschedulable`, and those that others gave it.
 * Undefined when it has them. A node that has never reported stays as admission tainted it.
 */
export function settleTaints(node: Node, nowMs: number): Taint[] | undefined {
  const present = node.spec?.taints ?? []
  const hasReported = node.status?.conditions?.some(({ type }) => type === 'Ready') === true
  const wanted = listWanted(node)
  const isOurs = ({ key, effect }: Taint): boolean =>
    effect === 'NoSchedule' ? managed.includes(key) : effect === 'NoExecute' && readiness.includes(key)
  const isStale = (taint: Taint): boolean =>
    isOurs(taint) && !wanted.some((each) => isSame(each, taint)) && (hasReported || !readiness.includes(taint.key))
  const kept = present.filter((taint) => !isStale(taint))
  const added = wanted.filter((taint) => !present.some((each) => isSame(each, taint)))
  if (added.length === 0 && kept.length === present.length) return undefined
  const timeAdded = formatTime(nowMs)
  return [...kept, ...added.map((taint) => (taint.effect === 'NoExecute' ? { ...taint, timeAdded } : taint))]
}
