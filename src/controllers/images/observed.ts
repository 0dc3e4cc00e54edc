import type { ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { ImageSource } from '../../api/operator-config.ts'
import type { InputsFact, InspectionFact, Job, JobRefusal } from './job/job.ts'
import type { SlotUse } from './slots.ts'

/** What the registry said at the last check of an image. */
export type CheckResult =
  | { kind: 'exists'; digest: string }
  | { kind: 'missing'; message: string }
  /** The operator could not find out. */
  | { kind: 'unknown'; reason: 'RegistryUnreachable' | 'RegistryUnauthorized' | 'ImageInvalid'; message: string }

/** A check that was made in this process. */
export interface Check {
  result: CheckResult
  atMs: number
  /** How many checks in a row did not find the image. */
  attempts: number
  /** The trigger generation for which it was made. */
  trigger: number | undefined
  /** With what it was made: credentials and TLS, as `formatAccess` writes them. */
  access: string
  /** The pods (uid) that had ended when it was made: it says nothing of what others have pushed since. */
  after: readonly string[]
}

/** What this process has found out about the images of one ModuleImagesConfig; written by `execute`, read by `observe`. */
export interface Facts {
  /** By reference: the images themselves, and those that are to be signed. */
  checks: Map<string, Check>
  /** By image, as the three below. */
  inputs: Map<string, InputsFact>
  inspections: Map<string, InspectionFact>
  refusals: Map<string, JobRefusal>
  /** Events that were recorded: `<uid of the pod> <reason>`. */
  announced: Set<string>
}

/** Nothing is found out yet. */
export const createFacts = (): Facts => ({
  checks: new Map(),
  inputs: new Map(),
  inspections: new Map(),
  refusals: new Map(),
  announced: new Set(),
})

/** What nobody asks for any more is kept for this long. */
const forgetAfterMs = 3_600_000

function keepOnly<T>(found: Map<string, T>, isKept: (key: string, value: T) => boolean): void {
  for (const [key, value] of found) if (!isKept(key, value)) found.delete(key)
}

/** Forgets what was found out about images that are no longer wanted, and about pods that are gone. */
export function forget(facts: Facts, { config, jobs }: Pick<ObservedImages, 'config' | 'jobs'>, nowMs: number): void {
  const wanted = new Set(config.spec?.images?.map(({ image }) => image))
  const isWanted = (image: string): boolean => wanted.has(image)
  keepOnly(facts.inputs, isWanted)
  keepOnly(facts.inspections, isWanted)
  keepOnly(facts.refusals, isWanted)
  keepOnly(facts.checks, (reference, { atMs }) => wanted.has(reference) || nowMs - atMs <= forgetAfterMs)
  const uids = new Set(jobs.map(({ uid }) => uid))
  for (const said of facts.announced) if (!uids.has(said.slice(0, said.indexOf(' ')))) facts.announced.delete(said)
}

/** A pod for the same image that is not of this ModuleImagesConfig. */
export interface SharedJob extends Job {
  /** Whose it is. */
  maker: 'a preflight' | 'the Module itself' | 'another Module'
}

/** What `images` sees of one ModuleImagesConfig. */
export interface ObservedImages extends SlotUse {
  config: ModuleImagesConfig
  facts: Readonly<Facts>
  /** Build and sign pods of the ModuleImagesConfig. */
  jobs: readonly Job[]
  /** Pods at work of other ModuleImagesConfigs in the namespace that make one of the images, too. */
  sharedJobs: readonly SharedJob[]
  /** What is known of the same images where a preflight asks for them, or the Module itself. */
  relatives: readonly ImageStatus[]
  startedAtMs: number
  /** Workers fail with something that a new image under the same name could mend. */
  isDoubted: boolean
}

/** What the administrator has settled for all images. */
export interface ImagesSettings {
  /** An image that the operator cannot look at for this long is left to the worker. */
  unverifiedAfterMs: number
  /** Who fetches the images on the nodes. */
  imageSource: ImageSource
  /** How long a pod that succeeded stays. */
  gcDelayMs: number
  /** How often a build or a signing is tried. */
  maxAttempts: number
  /** How many build pods may run at once in the cluster. */
  maxConcurrentBuilds: number
}

/** What the decision for one image is made from. */
export interface ObservedImage {
  config: ModuleImagesConfig
  spec: ModuleImageSpec
  present: ImageStatus | undefined
  /** Of this ModuleImagesConfig. */
  facts: Readonly<Facts>
  /** What this process has read of its inputs, as the spec names them now. */
  inputs: InputsFact | undefined
  /** Pods of this image. */
  jobs: readonly Job[]
  /** Pods at work of other ModuleImagesConfigs that make this image: one at a time is enough. */
  sharedJobs: readonly SharedJob[]
  /** What is known of this image where a preflight asks for it, or the Module itself. */
  relatives: readonly ImageStatus[]
  /** How many build pods may be made now. */
  freeSlots: number
  /** One more would be free, and is kept for what nodes wait for. */
  isSlotKept: boolean
  /** Pods that an upstream operator made, for this image or another of the Module: nothing is made while one of them runs. */
  foreignJobs: readonly Job[]
  trigger: number | undefined
  /** The trigger changed: what stands in the status does not count. */
  triggered: boolean
  startedAtMs: number
  isDoubted: boolean
  settings: ImagesSettings
}
