import {
  type LocalObjectReference,
  localObjectReferenceSchema,
  type Toleration,
  tolerationSchema,
} from './core.generated.ts'
import { defaultDirName, defaultImagePullPolicy } from './defaults.ts'
import { build, sign, tlsOptions } from './module-parts.ts'
import type { NamespacedMeta } from './object-meta.ts'
import { boolean, type Infer, imported, integer, list, object, optional, string, time, word } from './schema/builder.ts'

/** What is known about an image, or done to it. `Unverified`: the operator cannot look, so the node decides. */
export const imagePhases = [
  'Unknown',
  'Checking',
  'Exists',
  'Unverified',
  'Missing',
  'Building',
  'Built',
  'Signing',
  'Ready',
  'Failed',
] as const

export type ImagePhase = (typeof imagePhases)[number]

/** The states of an image that upstream knows. */
export const imageStateValues = ['Exists', 'DoesNotExist', 'NeedsBuilding', 'NeedsSigning'] as const

export type ImageStateValue = (typeof imageStateValues)[number]

const imageSpec = object({
  build: optional(build, 'How to build the image when it does not exist.'),
  dirName: optional(string('Folder of the image that holds lib/modules.', { default: defaultDirName })),
  image: string('The image, after substitution.'),
  kernelVersion: string('The kernel that it is for.'),
  registryTLS: optional(tlsOptions, 'How the registry may be reached.'),
  sign: optional(sign, 'How to sign its modules.'),
  skipWaitMissingImage: optional(boolean('A missing image is final.')),
})
/** An image that a Module needs for one kernel. */
export type ModuleImageSpec = Infer<typeof imageSpec>

const spec = object(
  {
    imagePullPolicy: optional(string('Always, IfNotPresent or Never.', { default: defaultImagePullPolicy })),
    imageRebuildTriggerGeneration: optional(integer('Changing this verifies all images again.')),
    imageRepoSecret: optional(
      imported<LocalObjectReference>(localObjectReferenceSchema, 'Secret with the credentials of the registries.'),
    ),
    images: optional(list(imageSpec, 'Images that the Module needs.')),
    pushBuiltImage: optional(boolean('Whether built images are pushed.')),
    tolerations: optional(list(imported<Toleration>(tolerationSchema), 'Tolerations of build and sign pods.')),
  },
  'What is wanted.',
)
export type ModuleImagesConfigSpec = Infer<typeof spec>

const imageState = object({
  image: string('The image, as in spec.'),
  status: word(imageStateValues, 'What is known about it.'),
})
/** What is known about an image, in upstream's words. */
export type ImageState = Infer<typeof imageState>

const imageStatus = object({
  attempts: optional(integer('How often the present step was tried.')),
  builtDigest: optional(string('Digest of the image as this operator made it.')),
  builtInputs: optional(string('Hash of what that one was made from.')),
  digest: optional(string('Digest that was last verified.')),
  image: string('The image, as in spec.'),
  inputs: optional(string('Hash of what the image was made from, or is being made from.')),
  kernelVersion: optional(string('The kernel that it is for.')),
  lastFailure: optional(string('What came of the attempt before, while another one is made.')),
  log: optional(string('End of the log of the last attempt, where it failed.')),
  message: optional(string('What is the case, and what to do about it.')),
  phase: word(imagePhases, 'What is known about it, or done to it.'),
  pod: optional(string('Pod that builds or signs it, or that failed to.')),
  reason: optional(string('One word for the message.')),
  retryAt: optional(time('When the next attempt is made.')),
  signedBy: optional(string('SHA-256 of the certificate whose signature the image with this digest carries.')),
  since: optional(time('Since when this is the phase and reason.')),
  unsignedDigest: optional(string('Digest of the image to sign, as this operator built it.')),
})
/** What is known about an image, in full. */
export type ImageStatus = Infer<typeof imageStatus>

const status = object(
  {
    imageRebuildTriggerGeneration: optional(integer('The trigger that was last acted on.')),
    images: optional(list(imageStatus, 'What is known about the images, in full.')),
    imagesStates: list(imageState, 'What is known about the images.'),
  },
  'What is the case.',
)
export type ModuleImagesConfigStatus = Infer<typeof status>

/** The schema of `spec` and `status` of a ModuleImagesConfig. */
export const moduleImagesConfigFields = { spec: optional(spec), status: optional(status) }

/** The images that a Module needs, and what is known about them. */
export interface ModuleImagesConfig {
  apiVersion?: string
  kind?: string
  metadata: NamespacedMeta
  spec?: ModuleImagesConfigSpec
  status?: ModuleImagesConfigStatus
}
