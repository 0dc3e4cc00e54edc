import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { PreflightModuleStatus } from '../../api/preflight-validation.ts'
import type { Reason } from '../../errors/reason.ts'
import { nameImage } from '../cluster/image-standing.ts'

/** What a check has come to so far, and why. */
export interface Verdict {
  result: PreflightModuleStatus['verificationStatus']
  reason: string
}

const found = 'verified image exists'
const unusable = 'verified image cannot be used'

const tell = (phrase: string, details: string): string => (details === '' ? phrase : `${phrase}: ${details}`)

/**
 * True for a result that tells of this image that it exists. Where its words were cut, or are an upstream operator's, the image may not be
 * among them.
 */
export function isOfImage({ verificationStage, statusReason = '' }: PreflightModuleStatus, image: string): boolean {
  if (verificationStage !== 'Done') return false
  if (statusReason === found) return true
  const isOfContent = [found, unusable].some((phrase) => statusReason.startsWith(`${phrase}: `))
  return isOfContent && (statusReason.includes(image) || statusReason.endsWith('…'))
}

/** The image does what it has to (upstream's words, then ours). */
export const succeed = (details: string): Verdict => ({
  result: 'Success',
  reason: tell(found, details),
})

/** Nothing is known yet, or something is being done (upstream's words, then ours). */
export const goOn = (details = ''): Verdict => ({
  result: 'InProgress',
  reason: tell('verification is not finished yet', details),
})

/** There is an image, and it will not do. */
export const refuse = (details: string): Verdict => ({
  result: 'Failure',
  reason: tell(unusable, details),
})

/** There is no image (upstream's words, then ours). */
function miss({ build, sign }: ModuleImageSpec, details: string): Verdict {
  const phrase = `verified image does not exist${(build ?? sign) ? ' and build/sign failed' : ''}`
  return { result: 'Failure', reason: tell(phrase, details) }
}

/** Reasons that nothing but a change by somebody ends, though it is tried again. */
const hopeless: ReadonlySet<string> = new Set<Reason>(['UnsignedImageMissing', 'BuilderUnavailable', 'JobPodRefused'])

/** An image that is in the registry, and stays as it is. Without a digest, what is invalid is what it would be made from. */
const isUnusable = ({ reason, digest, retryAt }: ImageStatus): boolean =>
  reason === 'ExistsUnsigned' || (reason === 'ImageInvalid' && digest !== undefined && retryAt === undefined)

/** It is tried again in vain. An image to sign that its registry shows to be damaged needs no pod to be judged. */
const isHopeless = ({ reason = '', pod }: ImageStatus): boolean =>
  hopeless.has(reason) || (reason === 'ImageInvalid' && pod === undefined)

const describe = ({ image, message = '' }: ImageStatus): string => (message === '' ? image : nameImage(image, message))

/** A failure after which it is tried again is not the end. */
function judgeFailed(spec: ModuleImageSpec, status: ImageStatus): Verdict {
  if (isUnusable(status)) return refuse(describe(status))
  if (status.retryAt === undefined || isHopeless(status)) return miss(spec, describe(status))
  return goOn(describe(status))
}

/** An image that does not exist; one that is to be made is about to be. */
function judgeMissing(spec: ModuleImageSpec, status: ImageStatus): Verdict {
  if (spec.build === undefined && spec.sign === undefined) return miss(spec, describe(status))
  return goOn(status.reason === 'ImageNotFound' ? '' : describe(status))
}

/** The operator could not look. A registry that refuses it refuses the nodes, too; one that is away may come back. */
function judgeUnseen(status: ImageStatus): Verdict {
  const { reason = '' } = status
  if (reason === 'ImageInvalid') return refuse(describe(status))
  if (reason !== 'RegistryUnauthorized') return goOn(status.message === undefined ? '' : describe(status))
  return { result: 'Failure', reason: tell('verified image cannot be looked at', describe(status)) }
}

/** What was built is in no registry. */
const judgeBuilt = (status: ImageStatus, isPushed: boolean): Verdict =>
  isPushed ? goOn(describe(status)) : succeed(describe(status))

/** What an image's status means for a preflight; undefined for one that exists, whose content is to be judged. */
export function judgeImage(spec: ModuleImageSpec, status: ImageStatus, isPushed: boolean): Verdict | undefined {
  switch (status.phase) {
    case 'Exists':
    case 'Ready':
      return undefined
    case 'Missing':
      return judgeMissing(spec, status)
    case 'Failed':
      return judgeFailed(spec, status)
    case 'Built':
      return judgeBuilt(status, isPushed)
    case 'Unknown':
    case 'Unverified':
      return judgeUnseen(status)
    default:
      return goOn(describe(status))
  }
}
