import type { ImageDecision } from './action.ts'
import type { InputsFact } from './job/job.ts'
import { formatInputsKey } from './job/read-inputs.ts'
import type { ObservedImage } from './observed.ts'
import { isSettled, makeStatus } from './status.ts'
import { jitter } from './timing.ts'

/** Inputs that an image waits for, or that may have changed, are read again after this long at the latest. */
const inputsAgainMs = 60_000
const inputsOfSettledAgainMs = 3_600_000

/** What this process has read of the inputs of an image, as its spec names them now. */
export function findInputs({ config, spec, facts }: ObservedImage): InputsFact | undefined {
  const fact = facts.inputs.get(spec.image)
  return fact?.key === formatInputsKey(config, spec) ? fact : undefined
}

const read = ({ config, spec }: ObservedImage): ImageDecision['actions'] => [
  { type: 'readInputs', config, image: spec },
]

/** Reads what an image is made from before anything is done, and again while it waits. */
export function decideInputs(
  observed: ObservedImage,
  fallback: ImageDecision['status'],
  nowMs: number,
): ImageDecision | Extract<InputsFact['result'], { kind: 'read' }> {
  const fact = findInputs(observed)
  if (fact === undefined) return { status: observed.present ?? fallback, actions: read(observed) }
  if (fact.result.kind === 'read') return fact.result
  const { reason, message } = fact.result
  const againAtMs = fact.atMs + inputsAgainMs / 2 + jitter(observed.spec.image, inputsAgainMs / 2)
  const status = makeStatus(observed, { phase: 'Failed', reason, message }, nowMs)
  const decision = { status, actions: [], againAtMs }
  return nowMs >= againAtMs ? { ...decision, actions: read(observed) } : decision
}

/** Inputs of an image that exists are read again at leisure, those of one that fails soon: somebody may put them right. */
export function readAgain(observed: ObservedImage, decision: ImageDecision, nowMs: number): ImageDecision {
  const fact = findInputs(observed)
  const afterMs = isSettled(decision.status) ? inputsOfSettledAgainMs : inputsAgainMs
  const dueMs = fact === undefined ? nowMs : fact.atMs + afterMs / 2 + jitter(observed.spec.image, afterMs / 2)
  if (nowMs < dueMs) return { ...decision, againAtMs: Math.min(decision.againAtMs ?? Infinity, dueMs) }
  return { ...decision, actions: [{ type: 'readInputs', config: observed.config, image: observed.spec }] }
}
