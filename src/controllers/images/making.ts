import type { ImageDecision } from './action.ts'
import { buildStage, decideAttempts, isMadeFrom } from './attempts.ts'
import { decideInputs, readAgain } from './inputs.ts'
import type { BuildInputs, SignInputs } from './job/job.ts'
import type { ObservedImage } from './observed.ts'
import { combineInputs, decideSigned } from './signing.ts'

/** Makes an image that does not exist, of what its spec says: build, sign, or both. While it waits, its inputs are read again. */
export function decideMaking(observed: ObservedImage, missing: ImageDecision['status'], nowMs: number): ImageDecision {
  const decision = decideStage(observed, missing, nowMs)
  const { phase } = decision.status
  const isWaiting = decision.actions.length === 0 && (phase === 'Failed' || phase === 'Missing')
  return isWaiting ? readAgain(observed, decision, nowMs) : decision
}

function decideStage(observed: ObservedImage, missing: ImageDecision['status'], nowMs: number): ImageDecision {
  const inputs = decideInputs(observed, missing, nowMs)
  if ('status' in inputs) return inputs
  const { build, sign } = inputs
  if (sign) return decideSigned(observed, { sign, build }, nowMs)
  if (build === undefined) return { status: missing, actions: [] }
  return decideAttempts(observed, buildStage(build, observed.spec.image), nowMs)
}

/** True when the image was made from other inputs than those of now. */
export function findDifference(inputs: { build?: BuildInputs; sign?: SignInputs }, hash: string): boolean {
  const { build, sign } = inputs
  if (sign) return !isMadeFrom(hash, { type: 'SignImage', inputs: combineInputs({ sign, build }) })
  return build !== undefined && !isMadeFrom(hash, { type: 'BuildImage', inputs: build.hash })
}
