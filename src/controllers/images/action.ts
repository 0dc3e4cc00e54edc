import type { ImageState, ImageStatus, ModuleImagesConfig, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { Job, JobType } from './job/job.ts'

/** A pod that is to be made. */
export interface NewJob {
  type: JobType
  /** Hash of everything that the attempt is made from. */
  hash: string
  attempt: number
  /** What the pod pushes. */
  target: string
  /** The text of a build's Dockerfile; empty for a signing. */
  dockerfile: string
  /** What a sign pod signs; undefined for a build. */
  source: JobSource | undefined
}

/** The image that a sign pod reads. */
export interface JobSource {
  /** With its digest. */
  reference: string
  digest: string
  /** It is this operator's own, or the image itself: reached as the image is, not as `sign.unsignedImage`. */
  isOwn: boolean
}

/** What `images` can do about one image. What it finds out is seen by the next pass. */
export type ImageAction =
  /** `image` is the image itself, or the one to be signed; `after` names the pods that had ended by now. */
  | {
      type: 'checkImage'
      config: ModuleImagesConfig
      image: ModuleImageSpec
      trigger: number | undefined
      after: readonly string[]
    }
  | { type: 'readInputs'; config: ModuleImagesConfig; image: ModuleImageSpec }
  | {
      type: 'inspectImage'
      config: ModuleImagesConfig
      image: ModuleImageSpec
      digest: string
      certificate: string
    }
  | { type: 'createJob'; config: ModuleImagesConfig; image: ModuleImageSpec; job: NewJob }
  | { type: 'deleteJob'; config: ModuleImagesConfig; job: Job }
  | { type: 'recordEvent'; config: ModuleImagesConfig; job: Job; event: JobEvent }

/** What is said of a build or sign pod on the Module; `BuildCreated` and so on (upstream's documentation). */
export interface JobEvent {
  reason: 'BuildCreated' | 'BuildSucceeded' | 'BuildFailed' | 'SignCreated' | 'SignSucceeded' | 'SignFailed'
  message: string
}

/** What `images` can do. */
export type Action =
  | ImageAction
  | {
      type: 'writeStatus'
      config: ModuleImagesConfig
      images: readonly ImageStatus[]
      states: readonly ImageState[]
      trigger: number | undefined
    }

/** What is known of one image, what to do, and when to look again (epoch). */
export interface ImageDecision {
  status: ImageStatus
  actions: readonly ImageAction[]
  /** Undefined where only a change brings news. */
  againAtMs?: number
}
