import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { type ImageStanding, nameImage } from '../cluster/image-standing.ts'

type Making = Extract<ImageStanding, { kind: 'making' }>
type Failing = Extract<ImageStanding, { kind: 'failing' }>

function verbOf({ phase }: ImageStatus, { reason }: Making): string {
  if (phase === 'Missing') return 'about to make'
  return phase === 'Signing' || reason === 'ImageSigning' ? 'signing' : 'building'
}

/** "building IMAGE for kernel K in pod P, attempt 2: …"; what the message says already is not said twice. */
export function tellMaking({ kernelVersion }: ModuleImageSpec, status: ImageStatus, standing: Making): string {
  const { image, pod, attempts = 0, message = '' } = status
  const parts = [
    message.includes(image) ? undefined : `${verbOf(status, standing)} ${image} for kernel ${kernelVersion}`,
    pod === undefined || message.includes(pod) ? undefined : `in pod ${pod}`,
    attempts < 2 || /attempt \d/.test(message) ? undefined : `attempt ${attempts}`,
  ]
  const words = parts
    .filter((part) => part !== undefined)
    .join(', ')
    .replace(', in pod ', ' in pod ')
  return [words, message].filter((part) => part !== '').join(': ')
}

/** What went wrong with an image, where its log is, and when it is tried again. */
export function tellFailing(status: ImageStatus, standing: Failing, namespace: string): string {
  const { image, pod, retryAt, message = `${standing.reason}: the image does not exist` } = status
  const parts = [nameImage(image, message)]
  if (pod !== undefined && !message.includes('kubectl')) parts.push(`see \`kubectl logs -n ${namespace} ${pod}\``)
  if (retryAt !== undefined && !message.includes(retryAt)) parts.push(`next attempt at ${retryAt}`)
  if (retryAt === undefined && pod !== undefined && !message.includes('delete'))
    parts.push('it is not tried again by itself: mend what is wrong, then delete the pod')
  return parts.join('; ')
}
