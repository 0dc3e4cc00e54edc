import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import type { ImageDecision } from './action.ts'
import { isPushed } from '../cluster/images-config.ts'
import { buildStage, decideAttempts, isMadeFrom, type Stage } from './attempts.ts'
import { collect } from './collect.ts'
import { formatUnsignedReference } from './job/job-name.ts'
import { type BuildInputs, hasPushed, isAtWork, type Job, type SignInputs } from './job/job.ts'
import { formatReference, parseReference } from '../../oci/reference.ts'
import { askFor, findCheck } from './lookup.ts'
import type { Check, ObservedImage } from './observed.ts'
import { makeStatus, type StatusFields } from './status.ts'
import { formatTime, retryAfter } from './timing.ts'

/** The image to sign is looked up again after this long. */
const sourceAgainMs = 300_000

const say = (observed: ObservedImage, fields: StatusFields, nowMs: number, againAtMs?: number): ImageDecision => ({
  status: makeStatus(observed, fields, nowMs),
  actions: [],
  ...(againAtMs === undefined ? {} : { againAtMs }),
})

/** What a signed image is made from; no `build` where it is signed only. */
export interface SignPlan {
  sign: SignInputs
  build: BuildInputs | undefined
}

/** An image by its digest: what is signed is what was looked at, whatever its tag means by then. */
const pin = (image: string, digest: string): string => formatReference({ ...parseReference(image), digest })

/** Hash of all that a signed image is made from, but for the image that is signed. */
export const combineInputs = ({ sign, build }: SignPlan): string => `${sign.hash} ${build?.hash ?? ''}`

const signStage = ({ spec }: ObservedImage, plan: SignPlan, source: Stage['source']): Stage => ({
  type: 'SignImage',
  inputs: combineInputs(plan),
  target: spec.image,
  source,
  dockerfile: '',
  isUncertain: false,
  setup: plan.sign.setup,
})

/** The image that is signed: KMM's own intermediate one, or the one that the Module names; undefined where it names none. */
function describeSource({ spec }: ObservedImage, build: BuildInputs | undefined): ModuleImageSpec | undefined {
  if (build) return { ...spec, image: formatUnsignedReference(spec.image, build.hash) }
  const { unsignedImage = '', unsignedImageRegistryTLS = {} } = spec.sign ?? {}
  return unsignedImage === '' ? undefined : { ...spec, image: unsignedImage, registryTLS: unsignedImageRegistryTLS }
}

const isSigningNow = (job: Job): boolean => job.type === 'SignImage' && isAtWork(job)

/** The registry does not have what is to be signed, or does not say, and nobody here can build it. */
function failToFind(observed: ObservedImage, source: ModuleImageSpec, check: Check, nowMs: number): ImageDecision {
  const { result, attempts, atMs } = check
  const againAtMs = atMs + retryAfter(attempts)
  const reason = result.kind === 'unknown' ? result.reason : 'UnsignedImageMissing'
  const text = result.kind === 'exists' ? '' : result.message
  const advice = result.kind === 'unknown' ? '' : '; push it, or correct sign.unsignedImage'
  const message = `the image to sign: ${text}${advice}`
  const fields = { phase: 'Failed', reason, message, attempts, retryAt: formatTime(againAtMs) } as const
  const told = say(observed, fields, nowMs, againAtMs)
  // A sign pod at work has its image already.
  const isSigning = observed.present?.phase === 'Signing' && observed.jobs.some(isSigningNow)
  const decision = isSigning && observed.present ? { ...told, status: observed.present } : told
  return nowMs >= againAtMs ? { ...decision, actions: [askFor(observed, source)] } : decision
}

/** Nobody has asked yet for the image to sign. Where nothing is pushed, "built" would be the end, and a preflight would take it for that. */
function ask(observed: ObservedImage, source: ModuleImageSpec, nowMs: number): ImageDecision {
  const { config, present, jobs } = observed
  const isBuilt =
    isPushed(config) && present?.phase === 'Building' && jobs.some(({ state }) => state.kind === 'succeeded')
  const standing =
    isBuilt || present === undefined ? makeStatus(observed, { phase: isBuilt ? 'Built' : 'Missing' }, nowMs) : present
  return { status: standing, actions: [askFor(observed, source)] }
}

/** The image to sign is there, and its build has done its work. */
function decideSigning(
  observed: ObservedImage,
  { stage, source, check }: { stage: Stage; source: ModuleImageSpec; check: Check },
  nowMs: number,
): ImageDecision {
  const built = observed.jobs.filter(({ type, state }) => type === 'BuildImage' && state.kind === 'succeeded')
  const collected = collect(observed, built, nowMs)
  const decision = decideAttempts(observed, stage, nowMs)
  const isOld = nowMs - check.atMs >= sourceAgainMs
  // Known from here on, also once the pod that built it is gone.
  const unsigned = stage.source?.isOwn ? { unsignedDigest: stage.source.digest } : {}
  return {
    status: { ...decision.status, ...unsigned },
    actions: [...(isOld ? [askFor(observed, source)] : []), ...decision.actions, ...collected.actions],
    againAtMs: Math.min(decision.againAtMs ?? Infinity, collected.againAtMs ?? Infinity, check.atMs + sourceAgainMs),
  }
}

/** The image to sign is there, and the pod that pushed it is not seen to end yet: what it says last is waited for. */
const isStillBuilt = ({ jobs }: ObservedImage, { hash }: BuildInputs): boolean =>
  jobs.some((job) => isAtWork(job) && isMadeFrom(job.hash, { type: 'BuildImage', inputs: hash }))

/** What lies under the name of an intermediate image is signed only if this operator built it: others may push there, too. */
const isOwn = ({ present, jobs }: ObservedImage, digest: string): boolean =>
  present?.unsignedDigest === digest || jobs.some((job) => hasPushed(job, 'BuildImage', digest))

const mayBeSigned = (observed: ObservedImage, build: BuildInputs | undefined, digest: string): boolean =>
  build === undefined || (!isStillBuilt(observed, build) && isOwn(observed, digest))

/** Builds what is to be signed unless it is there, then signs it. */
export function decideSigned(observed: ObservedImage, plan: SignPlan, nowMs: number): ImageDecision {
  const { build } = plan
  const source = describeSource(observed, build)
  if (source === undefined) {
    const message = 'there is nothing to sign: name an image in sign.unsignedImage, or add build'
    return say(observed, { phase: 'Failed', reason: 'UnsignedImageMissing', message }, nowMs)
  }
  const check = findCheck(observed, source)
  if (check === undefined) return ask(observed, source, nowMs)
  const { result } = check
  if (result.kind === 'exists' && mayBeSigned(observed, build, result.digest)) {
    const found = { reference: pin(source.image, result.digest), digest: result.digest, isOwn: build !== undefined }
    return decideSigning(observed, { stage: signStage(observed, plan, found), source, check }, nowMs)
  }
  if (result.kind === 'unknown' || build === undefined) return failToFind(observed, source, check, nowMs)
  return decideAttempts(observed, buildStage(build, source.image), nowMs)
}

/** Signs an image in its place: this operator made it, and it does not carry the signature that it is to have. */
export function decideSigningInPlace(
  observed: ObservedImage,
  plan: SignPlan,
  digest: string,
  nowMs: number,
): ImageDecision {
  const source = { reference: pin(observed.spec.image, digest), digest, isOwn: true }
  const decision = decideAttempts(observed, signStage(observed, plan, source), nowMs)
  // It stays this operator's own, whatever comes of the signing.
  return { ...decision, status: { ...decision.status, digest, builtDigest: digest } }
}
