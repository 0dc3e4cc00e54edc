import type { ImageStatus } from '../../api/module-images-config.ts'
import type { ImageDecision } from './action.ts'
import { announce } from './announce.ts'
import { collect } from './collect.ts'
import { decideExistence, type Existence, verifyDoubtedAfterMs } from './existence.ts'
import { askFor } from './lookup.ts'
import { readAgain } from './inputs.ts'
import { decideMaking, findDifference } from './making.ts'
import type { ObservedImage } from './observed.ts'
import { decideSignature } from './signature.ts'
import { makeStatus } from './status.ts'

/** An image that this operator built from what has changed since stays: it is said, and nothing is built. */
function compareInputs(observed: ObservedImage, existence: Existence, nowMs: number): ImageDecision {
  const { status } = existence
  if ((status.builtInputs ?? '') === '' || observed.spec.build === undefined) return { status, actions: [] }
  return remark(observed, readAgain(observed, { status, actions: [] }, nowMs), nowMs)
}

/** What a registry does not answer for says nothing, and nothing is known of what others made. */
function isMadeOtherwise(observed: ObservedImage, { phase, builtInputs = '' }: ImageStatus): boolean {
  const result = observed.inputs?.result
  if (phase !== 'Ready' || builtInputs === '' || result?.kind !== 'read') return false
  return (result.build?.unresolved ?? []).length === 0 && findDifference(result, builtInputs)
}

/** Adds to an image that exists that it was made from other inputs than those of now. */
function remark(observed: ObservedImage, decision: ImageDecision, nowMs: number): ImageDecision {
  const { status } = decision
  if (!isMadeOtherwise(observed, status)) return decision
  const message =
    'it was made from another Dockerfile, arguments, secrets, base image or key than those of now; it is used as it is: delete it from the registry, or give containerImage another tag, to have it made anew'
  const { image: _image, kernelVersion: _kernel, since: _since, ...fields } = status
  return { ...decision, status: makeStatus(observed, { ...fields, reason: 'ImageInputsDiffer', message }, nowMs) }
}

function decideExisting(observed: ObservedImage, existence: Existence, nowMs: number): ImageDecision {
  const { digest } = existence.status
  if (observed.spec.sign === undefined || digest === undefined) return compareInputs(observed, existence, nowMs)
  return remark(observed, decideSignature(observed, { ...existence, digest }, nowMs), nowMs)
}

function decideByExistence(observed: ObservedImage, existence: Existence, nowMs: number): ImageDecision {
  const { spec } = observed
  if (existence.kind === 'exists') return decideExisting(observed, existence, nowMs)
  if (existence.kind === 'undecided' || (spec.build === undefined && spec.sign === undefined))
    return { status: existence.status, actions: [] }
  return decideMaking(observed, existence.status, nowMs)
}

/** An image that exists and may not be used is looked at more often: somebody may push a better one under its name. */
function findCheckTime({ checkAtMs, checkedAtMs }: Existence, { status }: ImageDecision): number {
  if (checkedAtMs === undefined || status.phase !== 'Failed') return checkAtMs
  return Math.min(checkAtMs, checkedAtMs + verifyDoubtedAfterMs)
}

const earliest = (...times: (number | undefined)[]): { againAtMs?: number } => {
  const known = times.filter((time) => time !== undefined && Number.isFinite(time)) as number[]
  return known.length === 0 ? {} : { againAtMs: Math.min(...known) }
}

/**
 * The state machine of one image: Unknown → Checking → Exists | Missing → Building → Built → Signing → Ready | Failed, and Unverified where
 * the operator cannot look. While the image exists nothing is built, whatever else has changed.
 */
export function decideImage(observed: ObservedImage, nowMs: number): ImageDecision {
  const existence = decideExistence(observed, nowMs)
  const decision = decideByExistence(observed, existence, nowMs)
  const checkAtMs = findCheckTime(existence, decision)
  const isDue = checkAtMs <= nowMs
  const isDone = decision.status.phase === 'Ready' || decision.status.phase === 'Exists'
  const collected = isDone && existence.kind === 'exists' ? collect(observed, observed.jobs, nowMs) : undefined
  return {
    status: decision.status,
    actions: [
      ...(isDue ? [askFor(observed, observed.spec)] : []),
      ...announce(observed),
      ...decision.actions,
      ...(collected?.actions ?? []),
    ],
    ...earliest(isDue ? undefined : checkAtMs, decision.againAtMs, collected?.againAtMs),
  }
}
