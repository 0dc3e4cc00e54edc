import type { Condition } from '../../api/condition.ts'
import { type ImageStanding, makingFailures, nameImage } from '../cluster/image-standing.ts'
import { listRemarks } from './image-remarks.ts'
import { tellFailing, tellMaking } from './image-words.ts'
import type { ObservedReport } from './observed.ts'
import { listImages, type StandingImage } from './standing-images.ts'

type Fields = Pick<Condition, 'status' | 'reason' | 'message'>

/** The image to tell of, and what is the case with it. */
function describeImage({ spec, status, standing }: StandingImage, namespace: string): Fields {
  const { image } = spec
  const { reason = 'ImageUnknown', message = 'not looked at yet' } = status
  switch (standing.kind) {
    case 'failing':
      return {
        status: 'False',
        reason: status.reason ?? standing.reason,
        message: tellFailing(status, standing, namespace),
      }
    case 'making':
      return { status: 'False', reason: standing.reason, message: tellMaking(spec, status, standing) }
    case 'unverified': {
      // What is left to the kubelet says so itself.
      const aside = reason === 'ImageUnverified' ? '' : '; the workers try it themselves'
      return { status: 'Unknown', reason, message: `${nameImage(image, message)}${aside}` }
    }
    default:
      return { status: 'Unknown', reason, message: nameImage(image, message) }
  }
}

/** Nobody has looked yet, or there is nothing to look at. */
function describeNoImages({ nodes }: ObservedReport): Fields {
  const isNeeded = nodes.some(({ standing }) => standing.kind !== 'excluded')
  if (!isNeeded) return { status: 'True', reason: 'ImagesExist', message: 'no node needs an image' }
  return { status: 'Unknown', reason: 'ImageUnknown', message: 'not looked at yet' }
}

/** The first image that is not there: what somebody has to mend before what is under way before what nobody knows. */
function findOpenImage(images: readonly StandingImage[]): StandingImage | undefined {
  const first = (kinds: readonly ImageStanding['kind'][]): StandingImage | undefined =>
    images.find(({ standing }) => kinds.includes(standing.kind))
  return first(['failing']) ?? first(['making']) ?? first(['unverified', 'unknown'])
}

/** "2 of 5 images exist (2 fail, 1 is being made)": the bracket only where more than one image is open. */
function countImages(images: readonly StandingImage[]): string {
  const count = (kind: ImageStanding['kind']): number => images.filter(({ standing }) => standing.kind === kind).length
  const [there, failing, making] = [count('there'), count('failing'), count('making')]
  const total = `${there} of ${images.length} images exist`
  if (images.length - there < 2) return total
  const parts = [
    ...(failing > 0 ? [`${failing} ${failing === 1 ? 'fails' : 'fail'}`] : []),
    ...(making > 0 ? [`${making} ${making === 1 ? 'is' : 'are'} being made`] : []),
  ]
  return parts.length === 0 ? total : `${total} (${parts.join(', ')})`
}

/** What the condition ImagesReady says. */
export function describeImages(observed: ObservedReport): Fields {
  const images = listImages(observed)
  if (images.length === 0) return describeNoImages(observed)
  const open = findOpenImage(images)
  const remarks = listRemarks(images, observed.nodes)
  const tell = (...parts: readonly string[]): string => [...parts, ...remarks].join('; ')
  if (open === undefined) return { status: 'True', reason: 'ImagesExist', message: tell(countImages(images)) }
  const fields = describeImage(open, observed.module.metadata.namespace)
  // One image is told of, not counted.
  return { ...fields, message: tell(...(images.length === 1 ? [] : [countImages(images)]), fields.message) }
}

/** True unless the image is one that somebody else was to push. */
const isOwnConcern = (standing: ImageStanding): boolean =>
  standing.kind === 'making' || makingFailures.some((each) => 'reason' in standing && each === standing.reason)

/**
 * What is under way with an image, or went wrong in making one, for the conditions Progressing and Degraded where no node
 * says so: nodes that are left aside, or wait for a version, need their images all the same. An image that somebody else
 * was to push is not counted: it may be for nobody.
 */
export function findConcern(observed: ObservedReport, kind: 'making' | 'failing'): Fields | undefined {
  const found = listImages(observed).find(
    ({ standing, status }) => standing.kind === kind && (status.phase !== 'Missing' || isOwnConcern(standing)),
  )
  return found && describeImage(found, observed.module.metadata.namespace)
}
