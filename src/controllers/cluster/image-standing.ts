import type { ImageStatus } from '../../api/module-images-config.ts'
import type { Reason } from '../../errors/reason.ts'

/** Why an image is not there although KMM was asked to make it: somebody has to do something about each of them. */
export const makingFailures = [
  'ImageLost',
  'ImageInputMissing',
  'ExistsUnsigned',
  'UnsignedImageMissing',
  'BuildFailed',
  'BuilderUnavailable',
  'SignFailed',
  'SigningKeyInvalid',
  'FilesToSignInvalid',
  'JobPodRefused',
  'JobPodLost',
  'MappingInvalid',
] as const satisfies readonly Reason[]

/** How far an image is that KMM makes and nothing is wrong with. */
const makingReasons = [
  'ImageBuilding',
  'ImageSigning',
  'JobQueued',
  'JobPodPending',
] as const satisfies readonly Reason[]

type MakingReason = (typeof makingReasons)[number]
type FailingReason = (typeof makingFailures)[number] | 'ImageMissing'

/** What an image's phase and reason mean for those who wait for it. */
export type ImageStanding =
  | { kind: 'there' }
  | { kind: 'making'; reason: MakingReason }
  | { kind: 'failing'; reason: FailingReason }
  /** The operator cannot look: the node decides. */
  | { kind: 'unverified' }
  | { kind: 'unknown' }

/** How an image that does not exist comes about; both absent where KMM does not make it. */
export interface ImageMaking {
  build?: object
  sign?: object
}

/** True for the reasons of an image that is being made. */
export const isMakingReason = (reason: Reason): boolean => makingReasons.some((each) => each === reason)

function standMaking(reason: string | undefined, usual: 'ImageBuilding' | 'ImageSigning'): ImageStanding {
  const waiting = (['JobQueued', 'JobPodPending'] as const).find((each) => each === reason)
  return { kind: 'making', reason: waiting ?? usual }
}

const isNoticedOnly = (reason: string | undefined): boolean =>
  reason === undefined || reason === 'ImageNotFound' || isMakingReason(reason as Reason)

/** An image that does not exist. Where KMM makes it, and nothing failed yet, it is about to. */
function standMissing(reason: string | undefined, making: ImageMaking): ImageStanding {
  const { build, sign } = making
  if ((build ?? sign) && isNoticedOnly(reason)) return standMaking(reason, build ? 'ImageBuilding' : 'ImageSigning')
  return standFailed(reason, making)
}

/** A registry's or a disk's words are for the message: on a node they would read as if its worker had failed. */
function standFailed(reason: string | undefined, { build, sign }: ImageMaking): ImageStanding {
  const usual = build && sign ? 'ImageMissing' : build ? 'BuildFailed' : sign ? 'SignFailed' : 'ImageMissing'
  return { kind: 'failing', reason: makingFailures.find((each) => each === reason) ?? usual }
}

/**
 * Tells what an image's status means; an image of which too little is known fails where somebody has to mend the reason. `making` is what the
 * Module says of how the image comes about.
 */
export function standImage(
  { phase, reason }: Pick<ImageStatus, 'phase' | 'reason'>,
  making: ImageMaking,
): ImageStanding {
  switch (phase) {
    case 'Exists':
    case 'Ready':
      return { kind: 'there' }
    case 'Building':
    case 'Built':
      return standMaking(reason, 'ImageBuilding')
    case 'Signing':
      return standMaking(reason, 'ImageSigning')
    case 'Missing':
      return standMissing(reason, making)
    case 'Failed':
      return standFailed(reason, making)
    case 'Unverified':
      return { kind: 'unverified' }
    default:
      return makingFailures.some((each) => each === reason) ? standFailed(reason, making) : { kind: 'unknown' }
  }
}

/** An image's message, with its name before it unless the message has it. */
export const nameImage = (image: string, message: string): string =>
  message.includes(image) ? message : `${image}: ${message}`
