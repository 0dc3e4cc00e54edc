import type { ImageSource } from '../../api/operator-config.ts'
import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { assertNever } from '../../errors/error.ts'
import type { Check } from './observed.ts'

/** An image that the operator cannot look at for this long is left to the worker. */
export const unverifiedAfterMs = 120_000

const verifyAgainAfterMs = 3_600_000
/** An image that workers fail with is looked at more often: somebody may push a better one under its name. */
const verifyDoubtedAfterMs = 60_000
const firstRetryMs = 5_000
const longestRetryMs = 300_000

/** What is known of one image, and when to look again (epoch; now or earlier: at once). */
export interface ImageDecision {
  status: ImageStatus
  checkAtMs: number
}

/** What the decision for one image is made from. */
export interface ObservedImage {
  spec: ModuleImageSpec
  present: ImageStatus | undefined
  check: Check | undefined
  trigger: number | undefined
  /** The trigger changed: what stands in the status does not count. */
  triggered: boolean
  startedAtMs: number
  /** Workers fail with something that a new image under the same name could mend. */
  isDoubted: boolean
  unverifiedAfterMs: number
  /** Who fetches the image on the nodes. */
  imageSource: ImageSource
}

const formatTime = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')

/** A share of `range` that is the same for the same image, so that many images are not asked about at once. */
function jitter(image: string, range: number): number {
  let hash = 0
  for (const character of image) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_536
  return Math.floor((hash / 65_536) * range)
}

const retryAfter = (attempts: number): number =>
  Math.min(firstRetryMs * 2 ** Math.min(attempts - 1, 10), longestRetryMs)

/** A status whose `since` stays while phase and reason stay. */
function makeStatus(
  observed: ObservedImage,
  fields: Omit<ImageStatus, 'image' | 'kernelVersion' | 'since'>,
  nowMs: number,
): ImageStatus {
  const { spec, present } = observed
  const same = present?.phase === fields.phase && present.reason === fields.reason
  return {
    image: spec.image,
    kernelVersion: spec.kernelVersion,
    ...fields,
    since: (same ? present.since : undefined) ?? formatTime(nowMs),
  }
}

const isSettled = ({ phase }: ImageStatus): boolean => phase === 'Exists' || phase === 'Ready'

function decideUnchecked(observed: ObservedImage, nowMs: number): ImageDecision {
  const { present, spec, triggered, startedAtMs, isDoubted } = observed
  // After a restart what was verified before holds, and is verified again at leisure; an upstream operator knew no digests.
  if (present && isSettled(present) && !triggered)
    return {
      status: present,
      checkAtMs:
        present.digest === undefined || isDoubted ? nowMs : startedAtMs + jitter(spec.image, verifyAgainAfterMs),
    }
  const status = present && !triggered ? present : makeStatus(observed, { phase: 'Unknown' }, nowMs)
  return { status, checkAtMs: nowMs }
}

type UnknownResult = Extract<Check['result'], { kind: 'unknown' }>

/** Since when the operator could not find out; only a status that says why counts as such. */
function unknownSince(present: ImageStatus | undefined, nowMs: number): number {
  if (present?.phase !== 'Unknown' || present.reason === undefined || present.since === undefined) return nowMs
  return Date.parse(present.since)
}

/**
 * True where the operator cannot look at an image and need not: the kubelet fetches it, with credentials, mirrors and
 * certificates that perhaps only the node has.
 */
const isLeftToKubelet = ({ imageSource }: ObservedImage, { reason }: UnknownResult): boolean =>
  imageSource === 'volume' && reason !== 'ImageInvalid'

function leaveToKubelet(observed: ObservedImage, { attempts }: Check, message: string, nowMs: number): ImageStatus {
  const words = `${message}; the kubelet fetches it (worker.imageSource: volume) and decides`
  return makeStatus(observed, { phase: 'Unverified', reason: 'ImageUnverified', message: words, attempts }, nowMs)
}

function decideUnknown(observed: ObservedImage, check: Check, result: UnknownResult, nowMs: number): ImageDecision {
  const { present, triggered, isDoubted } = observed
  const checkAtMs = check.atMs + retryAfter(check.attempts)
  const isLeft = isLeftToKubelet(observed, result)
  // An image that was seen before does not vanish because its registry is away, unless it is to be looked at anew; or the
  // kubelet is refused just that digest: then it is to ask for what the name means by now.
  if (present && isSettled(present) && !triggered && !(isLeft && isDoubted)) return { status: present, checkAtMs }
  if (isLeft) return { status: leaveToKubelet(observed, check, result.message, nowMs), checkAtMs }
  const { reason, message } = result
  const { attempts } = check
  const sinceMs = unknownSince(present, nowMs)
  const goAheadAtMs = sinceMs + observed.unverifiedAfterMs
  if (present?.phase === 'Unverified' || nowMs >= goAheadAtMs)
    return { status: makeStatus(observed, { phase: 'Unverified', reason, message, attempts }, nowMs), checkAtMs }
  const status = makeStatus(observed, { phase: 'Unknown', reason, message, attempts }, nowMs)
  return { status: { ...status, since: formatTime(sinceMs) }, checkAtMs: Math.min(checkAtMs, goAheadAtMs) }
}

/**
 * The state machine of one image: Unknown → Exists | Missing | (unreachable for two minutes, or at once where the kubelet
 * fetches it) Unverified. Building and
 * signing continue from Missing: Building → Built → Signing → Ready | Failed.
 */
export function decideImage(observed: ObservedImage, nowMs: number): ImageDecision {
  const { check, spec, isDoubted } = observed
  if (check === undefined || check.trigger !== observed.trigger) return decideUnchecked(observed, nowMs)
  switch (check.result.kind) {
    case 'exists': {
      const status = makeStatus(observed, { phase: 'Exists', digest: check.result.digest }, nowMs)
      const afterMs = isDoubted ? verifyDoubtedAfterMs : verifyAgainAfterMs
      return { status, checkAtMs: check.atMs + afterMs + jitter(spec.image, afterMs) }
    }
    case 'missing': {
      const { message } = check.result
      const status = makeStatus(
        observed,
        { phase: 'Missing', reason: 'ImageNotFound', message, attempts: check.attempts },
        nowMs,
      )
      return { status, checkAtMs: check.atMs + retryAfter(check.attempts) }
    }
    case 'unknown':
      return decideUnknown(observed, check, check.result, nowMs)
    default:
      return assertNever(check.result)
  }
}
