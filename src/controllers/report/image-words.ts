import type { ImageStatus, ModuleImageSpec } from '../../api/module-images-config.ts'
import { type ImageStanding, nameImage } from '../cluster/image-standing.ts'

type Making = Extract<ImageStanding, { kind: 'making' }>
type Failing = Extract<ImageStanding, { kind: 'failing' }>

/** "IMAGE for kernel K: …", or what phase, pod and attempt say where the status has no message. */
export function tellMaking({ kernelVersion }: ModuleImageSpec, status: ImageStatus, { reason }: Making): string {
  const { image, pod, attempts = 0, message = '' } = status
  const name = `${image} for kernel ${kernelVersion}`
  if (message !== '') return message.includes(image) ? message : `${name}: ${message}`
  if (status.phase === 'Missing') return `about to make ${name}`
  const where = pod === undefined ? '' : ` in pod ${pod}`
  return `${reason === 'ImageSigning' ? 'signing' : 'building'} ${name}${where}${attempts < 2 ? '' : `, attempt ${attempts}`}`
}

/** What went wrong with an image, when it is tried again, and how its log is read. */
export function tellFailing(status: ImageStatus, standing: Failing, namespace: string): string {
  const { image, pod, retryAt, message = `${standing.reason}: the image does not exist` } = status
  const asides = [
    ...(retryAt === undefined ? [] : [`again at ${retryAt}`]),
    ...(pod === undefined ? [] : [`log: kubectl logs -n ${namespace} ${pod}`]),
  ]
  return `${nameImage(image, message)}${asides.length === 0 ? '' : ` (${asides.join('; ')})`}`
}
