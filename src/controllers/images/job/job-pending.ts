import { cleanText } from '../../../kmod/clean-text.ts'
import type { PodView } from '../../cluster/pod-view.ts'
import type { JobType } from './job.ts'

const imageReasons: ReadonlySet<string> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
  'SignatureValidationFailed',
])

/** What every container goes through on its way. */
const ordinaryReasons: ReadonlySet<string> = new Set(['', 'ContainerCreating', 'PodInitializing'])

const mostWords = 1000

function describeImage(type: JobType, { container: { image } }: PodView, words: string): string {
  const program = cleanText(image, 300)
  return type === 'BuildImage'
    ? `the builder image ${program} cannot be pulled (${words}): correct job.build.image in the operator's configuration, or give the Module's service account a pull secret for it; then delete the pod`
    : `the worker image ${program}, which signs, cannot be pulled (${words}): correct the operator's RELATED_IMAGE_WORKER, or give the Module's service account a pull secret for it; then delete the pod`
}

function describeUnschedulable(type: JobType, { unschedulable }: PodView): string {
  const key = type === 'BuildImage' ? 'build' : 'sign'
  const selector = type === 'BuildImage' ? 'build.selector, ' : ''
  return `no node takes the ${key} pod (${cleanText(unschedulable, mostWords)}): see ${selector}tolerations of the Module and job.${key}.resources in the operator's configuration; after a change of the latter, delete the pod`
}

/** Why a pod does not run yet, and what to do about it; empty where nobody says. */
export function findPending(type: JobType, pod: PodView): string {
  const { state } = pod.container
  if (state.kind !== 'waiting') return pod.unschedulable === '' ? '' : describeUnschedulable(type, pod)
  if (ordinaryReasons.has(state.reason)) return ''
  const words = cleanText([state.reason, state.message].filter((part) => part !== '').join(': '), mostWords)
  if (imageReasons.has(state.reason)) return describeImage(type, pod, words)
  const noun = type === 'BuildImage' ? 'build' : 'sign'
  const isConfiguration = state.reason === 'CreateContainerConfigError'
  const advice = isConfiguration ? 'see that the secrets which the Module names exist' : 'see the events of the pod'
  return `the ${noun} pod cannot start (${words}): ${advice}`
}
