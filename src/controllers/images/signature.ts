import { defined } from '../cluster/defined.ts'
import type { ImageDecision } from './action.ts'
import type { Existence } from './existence.ts'
import type { InspectionFact } from './job/job.ts'
import { decideInputs, readAgain } from './inputs.ts'
import { decideSigningInPlace, type SignPlan } from './signing.ts'
import type { ObservedImage } from './observed.ts'
import { isSettled, makeStatus } from './status.ts'
import { retryAfter } from './timing.ts'

function findInspection(
  { facts, spec }: ObservedImage,
  digest: string,
  certificate: string,
): InspectionFact | undefined {
  const fact = facts.inspections.get(spec.image)
  return fact?.digest === digest && fact.certificate === certificate ? fact : undefined
}

function inspect({ config, spec }: ObservedImage, digest: string, certificate: string): ImageDecision['actions'] {
  return [{ type: 'inspectImage', config, image: spec, digest, certificate }]
}

/** What holds of an image while nobody knows anything else: that it is signed, if that was found of this very digest. */
function standBy(observed: ObservedImage, { status }: Existence, nowMs: number): ImageDecision['status'] {
  if (status.signedBy !== undefined) return status
  const { present } = observed
  if (present && !isSettled(present) && present.phase !== 'Unknown' && present.phase !== 'Missing') return present
  const message = 'it exists; whether it carries the signature of sign.certSecret is being looked at'
  const { digest, inputs } = status
  return makeStatus(observed, { phase: 'Checking', message, ...defined({ digest, inputs }) }, nowMs)
}

/** Takes an image for signed, signs it in its place, or says why neither. */
function judge(
  observed: ObservedImage,
  existence: Existence & { digest: string },
  plan: SignPlan,
  nowMs: number,
): ImageDecision {
  const { digest, status } = existence
  const { certificate } = plan.sign
  const inspection = findInspection(observed, digest, certificate)
  if (inspection === undefined)
    return { status: standBy(observed, existence, nowMs), actions: inspect(observed, digest, certificate) }
  const { result, atMs, attempts } = inspection
  switch (result.kind) {
    case 'signed':
      return { status: { ...status, signedBy: certificate }, actions: [] }
    case 'unsigned': {
      if (status.builtDigest === digest) return decideSigningInPlace(observed, plan, digest, nowMs)
      const message = `${result.message}; it was not made by this operator, so it is not signed in its place: push a signed image, or delete it and name the unsigned one in sign.unsignedImage`
      return {
        status: makeStatus(observed, { phase: 'Failed', reason: 'ExistsUnsigned', message, digest }, nowMs),
        actions: [],
      }
    }
    default: {
      const againAtMs = atMs + retryAfter(attempts)
      const isKept = status.signedBy === certificate
      const { reason, message } = result
      const unknown = makeStatus(observed, { phase: 'Unknown', reason, message, digest }, nowMs)
      const actions = nowMs >= againAtMs ? inspect(observed, digest, certificate) : []
      return { status: isKept ? status : unknown, actions, againAtMs }
    }
  }
}

/** Something that the image is made from is missing: what exists and is signed is used all the same. */
function judgeByCertificate(
  observed: ObservedImage,
  existence: Existence & { digest: string },
  decided: ImageDecision,
  nowMs: number,
): ImageDecision {
  const { status, digest } = existence
  if (status.signedBy !== undefined) return { ...decided, status }
  const result = observed.inputs?.result
  if (result?.kind !== 'unusable' || result.certificate === undefined) return decided
  const { certificate } = result
  const inspection = findInspection(observed, digest, certificate)
  if (inspection === undefined)
    return { status: standBy(observed, existence, nowMs), actions: inspect(observed, digest, certificate) }
  return inspection.result.kind === 'signed' ? { ...decided, status: { ...status, signedBy: certificate } } : decided
}

/**
 * Decides on an image that exists and is to be signed: unsigned never poses as signed. The inputs are read for the certificate; while
 * they cannot be, what was found of the same digest before holds.
 */
export function decideSignature(
  observed: ObservedImage,
  existence: Existence & { digest: string },
  nowMs: number,
): ImageDecision {
  const decided = decideInputs(observed, standBy(observed, existence, nowMs), nowMs)
  if ('status' in decided) return judgeByCertificate(observed, existence, decided, nowMs)
  const { sign, build } = decided
  if (sign === undefined) return { status: existence.status, actions: [] }
  const decision = judge(observed, existence, { sign, build }, nowMs)
  return decision.actions.length > 0 ? decision : readAgain(observed, decision, nowMs)
}
