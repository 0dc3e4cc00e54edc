import type { ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { ImageAction } from './action.ts'
import { isActive } from './job/job.ts'
import type { Check, ObservedImage } from './observed.ts'

/** How an image is asked for: an answer says nothing of another way. */
export function formatAccess({ spec }: ModuleImagesConfig, { registryTLS = {} }: ModuleImageSpec): string {
  const { insecure = false, insecureSkipTLSVerify = false } = registryTLS
  return JSON.stringify([spec?.imageRepoSecret?.name ?? '', insecure, insecureSkipTLSVerify])
}

/** The pods (uid) that have ended: what they pushed, or did not find, is to be looked at again. */
const listEnded = ({ jobs, foreignJobs }: Pick<ObservedImage, 'jobs' | 'foreignJobs'>): string[] =>
  [...jobs, ...foreignJobs].filter((job) => !isActive(job)).map(({ uid }) => uid)

/**
 * What the registry last said of the image itself, or of the one to sign: undefined where it was not asked, was asked in another way or for
 * another trigger, or before a pod ended.
 */
export function findCheck(observed: ObservedImage, image: ModuleImageSpec): Check | undefined {
  const check = observed.facts.checks.get(image.image)
  if (check === undefined || check.trigger !== observed.trigger) return undefined
  if (check.access !== formatAccess(observed.config, image)) return undefined
  return listEnded(observed).every((uid) => check.after.includes(uid)) ? check : undefined
}

/** Asks the registry for the image itself, or for the one to sign. */
export const askFor = (observed: ObservedImage, image: ModuleImageSpec): ImageAction => ({
  type: 'checkImage',
  config: observed.config,
  image,
  trigger: observed.trigger,
  after: listEnded(observed),
})
