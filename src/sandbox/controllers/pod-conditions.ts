import { formatTime } from '../apiserver/deletion.ts'
import type { ApiObject } from '../apiserver/object.ts'
import type { PodSpec } from '../apiserver/admission/pod-shape.ts'

/** A condition of a pod or node. */
export interface Condition {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
  lastProbeTime?: string | null
}

/** A pod as the controllers read it. */
export interface Pod extends ApiObject {
  spec?: PodSpec
  status?: { phase?: string; conditions?: Condition[] }
}

/** A condition without its time. */
export type NewCondition = Omit<Condition, 'lastTransitionTime' | 'lastProbeTime'>

/** Conditions with one set; its time changes only with its status. */
export function setCondition(
  list: readonly Condition[] | undefined,
  condition: NewCondition,
  nowMs: number,
): Condition[] {
  const old = list?.find((each) => each.type === condition.type)
  const time = old?.status === condition.status ? old.lastTransitionTime : undefined
  const dated = { ...condition, lastProbeTime: null, lastTransitionTime: time ?? formatTime(nowMs) }
  return [...(list ?? []).filter((each) => each.type !== condition.type), dated]
}

/** True when a pod's Ready condition holds. */
export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

/** True when a pod has run to its end. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

/** When a pod became Ready, in milliseconds; undefined when it is not. */
export function readySince(pod: Pod): number | undefined {
  const ready = pod.status?.conditions?.find(({ type, status }) => type === 'Ready' && status === 'True')
  return ready?.lastTransitionTime === undefined ? undefined : Date.parse(ready.lastTransitionTime)
}
