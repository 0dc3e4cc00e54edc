import { cloneJson, sameJson, type ApiObject } from './object.ts'
import type { DeleteRequest, Strategy } from './strategy.ts'

/** What a delete does to an object: it goes, it is marked and stays, or it is marked already and nothing changes. */
export type Deletion =
  | { kind: 'remove'; object?: ApiObject }
  | { kind: 'mark'; object: ApiObject }
  | { kind: 'unchanged' }

const cascadeFinalizers = ['foregroundDeletion', 'orphan']

/** The finalizers after a delete with a propagation policy: at most one of the two that the garbage collector reads. */
function planFinalizers(object: ApiObject, request: DeleteRequest): string[] {
  const present = object.metadata.finalizers ?? []
  if (request.propagationPolicy === undefined) return present
  const others = present.filter((finalizer) => !cascadeFinalizers.includes(finalizer))
  if (request.propagationPolicy === 'Foreground') return [...others, 'foregroundDeletion']
  if (request.propagationPolicy === 'Orphan') return [...others, 'orphan']
  return others
}

/** True while something keeps an object that is being deleted. */
export function isHeld(object: ApiObject, strategy: Strategy): boolean {
  return (object.metadata.finalizers ?? []).length > 0 || strategy.held?.(object) === true
}

/** Decides what a delete does. */
export function planDeletion(object: ApiObject, strategy: Strategy, request: DeleteRequest, nowMs: number): Deletion {
  const grace = strategy.gracePeriod?.(object, request) ?? 0
  const marked = withFinalizers(object, planFinalizers(object, request))
  const sooner = isSooner(object, grace)
  if (grace === 0 && !isHeld(marked, strategy)) {
    if (strategy.gracePeriod === undefined) return { kind: 'remove' }
    // A kind that knows grace is shown as if it had been given none.
    if (sooner) markDeleted(marked, strategy, grace, nowMs)
    return { kind: 'remove', object: marked }
  }
  if (!sooner && sameJson(marked, object)) return { kind: 'unchanged' }
  if (sooner) markDeleted(marked, strategy, grace, nowMs)
  return { kind: 'mark', object: marked }
}

function withFinalizers(object: ApiObject, finalizers: string[]): ApiObject {
  const copy: ApiObject = cloneJson(object)
  if (finalizers.length > 0) copy.metadata.finalizers = finalizers
  else delete copy.metadata.finalizers
  return copy
}

/** True when a delete with this grace ends the object earlier than it would end now. */
function isSooner(object: ApiObject, grace: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata
  return deletionTimestamp === undefined || grace < deletionGracePeriodSeconds
}

function markDeleted(object: ApiObject, strategy: Strategy, grace: number, nowMs: number): void {
  const { metadata } = object
  const first = metadata.deletionTimestamp === undefined
  metadata.deletionTimestamp = formatTime(nowMs + grace * 1000)
  // A namespace is marked by a storage of its own, which knows no grace.
  if (strategy.held === undefined) metadata.deletionGracePeriodSeconds = grace
  if (first && metadata.generation !== undefined) metadata.generation += 1
  strategy.prepareForDelete?.(object)
}

/** RFC 3339 with whole seconds, as metadata carries times. */
export function formatTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace(/\.\d+Z$/, 'Z')
}
