import type { ImageStatus } from '../../api/module-images-config.ts'
import { assertNever } from '../../errors/error.ts'
import { defined } from '../cluster/defined.ts'
import { findPreflight } from '../cluster/images-config.ts'
import { hasPushed, isAtWork } from './job/job.ts'
import { findCheck } from './lookup.ts'
import type { Check, ObservedImage } from './observed.ts'
import { isSettled, makeStatus } from './status.ts'
import { formatTime, jitter, retryAfter } from './timing.ts'

/** An image that the operator cannot look at for this long is left to the worker, unless said otherwise. */
export const unverifiedAfterMs = 120_000

const verifyAgainAfterMs = 3_600_000
/** How long after its push a pod may take to be seen to end. */
const pushEndsWithinMs = 30_000
/** An image that workers fail with is looked at more often: somebody may push a better one under its name. */
export const verifyDoubtedAfterMs = 60_000

/** What is known of an image's existence, and when to look again (epoch; now or earlier: at once). */
export interface Existence {
  /** `undecided`: nobody has looked, or the registry does not say; the status tells what follows. */
  kind: 'exists' | 'missing' | 'undecided'
  status: ImageStatus
  checkAtMs: number
  /** When it was last looked at; undefined where this process has not. */
  checkedAtMs?: number
}

function decideUnchecked(observed: ObservedImage, nowMs: number): Existence {
  const { present, spec, triggered, startedAtMs, isDoubted, jobs } = observed
  // After a restart what was verified before holds, and is verified again at leisure, unless pods wait for that to be deleted; an
  // upstream operator knew no digests.
  if (present && isSettled(present) && !triggered)
    return {
      kind: 'undecided',
      status: present,
      checkAtMs:
        present.digest === undefined || isDoubted || jobs.length > 0
          ? nowMs
          : startedAtMs + jitter(spec.image, verifyAgainAfterMs),
    }
  const status = present && !triggered ? present : makeStatus(observed, { phase: 'Unknown' }, nowMs)
  return { kind: 'undecided', status, checkAtMs: nowMs }
}

type UnknownResult = Extract<Check['result'], { kind: 'unknown' }>

/** Since when the operator could not find out; only a status that says why counts as such. */
function unknownSince(present: ImageStatus | undefined, nowMs: number): number {
  if (present?.phase !== 'Unknown' || present.reason === undefined || present.since === undefined) return nowMs
  return Date.parse(present.since)
}

/**
 * True where the operator cannot look at an image and need not: the kubelet fetches it, with credentials, mirrors and
 * certificates that perhaps only the node has. For a preflight no node fetches anything: there the registry's answer is what counts.
 */
const isLeftToKubelet = ({ config, settings, spec }: ObservedImage, { reason }: UnknownResult): boolean =>
  settings.imageSource === 'volume' && reason !== 'ImageInvalid' && !spec.sign && findPreflight(config) === undefined

function leaveToKubelet(observed: ObservedImage, { attempts }: Check, message: string, nowMs: number): ImageStatus {
  const words = `${message}; the kubelet fetches it (worker.imageSource: volume) and decides`
  return makeStatus(observed, { phase: 'Unverified', reason: 'ImageUnverified', message: words, attempts }, nowMs)
}

/** A pod that makes the image is at work: what it comes to will tell more than a registry that does not answer now. */
const isBeingMade = ({ jobs }: ObservedImage): boolean => jobs.some(isAtWork)

/**
 * What a pod of this operator has just pushed is there before the pod is seen to end: for a while a new image is taken for that. If
 * the pod goes on, somebody else has pushed it.
 */
function isBeingPushed(observed: ObservedImage, check: Check, digest: string, nowMs: number): boolean {
  return observed.present?.digest !== digest && isBeingMade(observed) && nowMs < check.atMs + pushEndsWithinMs
}

/**
 * An image that was seen before does not vanish because its registry is away, unless it is to be looked at anew; or the
 * kubelet is refused just that digest: then it is to ask for what the name means by now.
 */
function isKept(observed: ObservedImage, isLeft: boolean): boolean {
  const { present, triggered, isDoubted } = observed
  if (present === undefined) return false
  return isBeingMade(observed) || (isSettled(present) && !triggered && !(isLeft && isDoubted))
}

/** When a node goes ahead without the operator having seen the image; what has to be signed is not left to it. */
function goAheadAt({ spec, present, settings }: ObservedImage, sinceMs: number): number {
  if (spec.sign) return Infinity
  return present?.phase === 'Unverified' ? 0 : sinceMs + settings.unverifiedAfterMs
}

function decideUnknown(observed: ObservedImage, check: Check, result: UnknownResult, nowMs: number): Existence {
  const { present } = observed
  const kind = 'undecided'
  const checkAtMs = check.atMs + retryAfter(check.attempts)
  const isLeft = isLeftToKubelet(observed, result)
  if (present && isKept(observed, isLeft)) return { kind, status: present, checkAtMs }
  if (isLeft) return { kind, status: leaveToKubelet(observed, check, result.message, nowMs), checkAtMs }
  const fields = { reason: result.reason, message: result.message, attempts: check.attempts }
  const sinceMs = unknownSince(present, nowMs)
  const goAheadAtMs = goAheadAt(observed, sinceMs)
  if (nowMs >= goAheadAtMs)
    return { kind, status: makeStatus(observed, { phase: 'Unverified', ...fields }, nowMs), checkAtMs }
  const status = makeStatus(observed, { phase: 'Unknown', ...fields }, nowMs)
  return { kind, status: { ...status, since: formatTime(sinceMs) }, checkAtMs: Math.min(checkAtMs, goAheadAtMs) }
}

/** Who says why the digest under a name is another one than before. */
function describeMove({ present, jobs }: ObservedImage, digest: string): string | undefined {
  if (present === undefined || !isSettled(present) || present.digest === undefined) return undefined
  if (present.digest === digest) return present.reason === 'ImageInputsDiffer' ? undefined : present.message
  if (jobs.some(({ state }) => state.kind === 'succeeded' && state.digest === digest)) return undefined
  return `the tag was moved from ${present.digest} to ${digest}; nodes keep what they have loaded, and load the new image the next time`
}

/** Hash of what this operator made the image from, here or for a relative; undefined where somebody else made it. */
function findOwnInputs({ spec, present, jobs, relatives }: ObservedImage, digest: string): string | undefined {
  const type = spec.sign ? 'SignImage' : 'BuildImage'
  const maker = jobs.find((job) => hasPushed(job, type, digest))
  if (maker !== undefined) return maker.hash
  const known = [present, ...relatives].find((status) => status?.builtDigest === digest)
  return known && (known.builtInputs ?? '')
}

function describeExisting(observed: ObservedImage, digest: string, nowMs: number): ImageStatus {
  const { present } = observed
  const inputs = findOwnInputs(observed, digest)
  const message = describeMove(observed, digest)
  const signedBy = present?.digest === digest ? present.signedBy : undefined
  return makeStatus(
    observed,
    {
      phase: inputs === undefined ? 'Exists' : 'Ready',
      digest,
      ...(inputs === undefined ? {} : { builtDigest: digest, builtInputs: inputs }),
      ...defined({ signedBy, message }),
    },
    nowMs,
  )
}

/** Finds out whether an image exists: Unknown → exists | missing | (unreachable for two minutes, or at once where the kubelet fetches it) Unverified. */
export function decideExistence(observed: ObservedImage, nowMs: number): Existence {
  const { spec, isDoubted } = observed
  const check = findCheck(observed, spec)
  if (check === undefined) return decideUnchecked(observed, nowMs)
  switch (check.result.kind) {
    case 'exists': {
      const { digest } = check.result
      if (observed.present && isBeingPushed(observed, check, digest, nowMs))
        return { kind: 'undecided', status: observed.present, checkAtMs: check.atMs + pushEndsWithinMs }
      const afterMs = isDoubted ? verifyDoubtedAfterMs : verifyAgainAfterMs
      return {
        kind: 'exists',
        status: describeExisting(observed, digest, nowMs),
        checkAtMs: check.atMs + afterMs + jitter(spec.image, afterMs),
        checkedAtMs: check.atMs,
      }
    }
    case 'missing': {
      const { message } = check.result
      const fields = { phase: 'Missing', reason: 'ImageNotFound', message, attempts: check.attempts } as const
      return {
        kind: 'missing',
        status: makeStatus(observed, fields, nowMs),
        checkAtMs: check.atMs + retryAfter(check.attempts),
      }
    }
    case 'unknown':
      return decideUnknown(observed, check, check.result, nowMs)
    default:
      return assertNever(check.result)
  }
}
