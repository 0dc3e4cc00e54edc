import type { ImageAction, ImageDecision } from './action.ts'
import type { InputsResult } from './job/job.ts'
import type { ObservedImage } from './observed.ts'
import { isSettled, makeStatus } from './status.ts'
import { jitter } from './timing.ts'

/** Inputs that an image waits for, or that may have changed, are read again after this long at the latest. */
const inputsAgainMs = 60_000
const inputsOfSettledAgainMs = 3_600_000

/** Reads by name, now, what an image is made from. */
export const readInputs = ({ config, spec }: ObservedImage): ImageAction => ({
  type: 'readInputs',
  config,
  image: spec,
})

/** Reads what an image is made from before anything is done, and again while it waits. */
export function decideInputs(
  observed: ObservedImage,
  fallback: ImageDecision['status'],
  nowMs: number,
): ImageDecision | Extract<InputsResult, { kind: 'read' }> {
  const { inputs, present } = observed
  if (inputs === undefined) return { status: present ?? fallback, actions: [readInputs(observed)] }
  if (inputs.result.kind === 'read') return inputs.result
  const { reason, message } = inputs.result
  const status = makeStatus(observed, { phase: 'Failed', reason, message }, nowMs)
  return readAgain(observed, { status, actions: [] }, nowMs)
}

/** Inputs of an image that exists are read again at leisure, those of one that fails soon: somebody may put them right. */
export function readAgain(observed: ObservedImage, decision: ImageDecision, nowMs: number): ImageDecision {
  const { inputs, spec } = observed
  const afterMs = isSettled(decision.status) ? inputsOfSettledAgainMs : inputsAgainMs
  const dueMs = inputs === undefined ? nowMs : inputs.atMs + afterMs / 2 + jitter(spec.image, afterMs / 2)
  if (nowMs < dueMs) return { ...decision, againAtMs: Math.min(decision.againAtMs ?? Infinity, dueMs) }
  return { ...decision, actions: [readInputs(observed)] }
}
