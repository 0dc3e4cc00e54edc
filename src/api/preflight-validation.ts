import type { ObjectMeta } from './object-meta.ts'
import { boolean, type Infer, list, map, object, oneOf, optional, string, time } from './schema/builder.ts'

/** How far the check of a Module got. */
export const verificationStages = ['Image', 'Done'] as const
/** What the check of a Module found. */
export const verificationStatuses = ['Success', 'Failure', 'InProgress'] as const

const spec = object(
  {
    kernelVersion: string('The kernel that all Modules are checked against.'),
    pushBuiltImage: optional(boolean('Whether images that are built for the check are pushed.')),
  },
  'What is wanted.',
)
export type PreflightValidationSpec = Infer<typeof spec>

const moduleFields = {
  lastTransitionTime: time('When the result last changed.'),
  statusReason: optional(string('Why this is the result.')),
  verificationStage: oneOf(verificationStages, 'How far the check got.'),
  verificationStatus: oneOf(verificationStatuses, 'What the check found.'),
}

const crStatus = object(moduleFields)
/** The result of one Module in version v1beta1. */
export type CRStatus = Infer<typeof crStatus>

const moduleStatus = object({
  ...moduleFields,
  name: string('Name of the Module.'),
  namespace: string('Namespace of the Module.'),
})
/** The result of one Module. */
export type PreflightModuleStatus = Infer<typeof moduleStatus>

const status = object(
  { modules: optional(list(moduleStatus, 'Results by Module.', { keys: ['namespace', 'name'] })) },
  'What is the case.',
)
export type PreflightValidationStatus = Infer<typeof status>

const statusV1beta1 = object(
  { crStatuses: optional(map(crStatus, 'Results by namespace/name of the Module.')) },
  'What is the case.',
)
export type PreflightValidationStatusV1beta1 = Infer<typeof statusV1beta1>

/** The schema of `spec` and `status` of a PreflightValidation. */
export const preflightValidationFields = { spec, status: optional(status) }

/** The same in version v1beta1. */
export const preflightValidationV1beta1Fields = { spec, status: optional(statusV1beta1) }

/** A question: would every Module have an image for this kernel? */
export interface PreflightValidation {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PreflightValidationSpec
  status?: PreflightValidationStatus
}

/** The same in version v1beta1, which is served and no longer stored. */
export interface PreflightValidationV1beta1 {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec: PreflightValidationSpec
  status?: PreflightValidationStatusV1beta1
}
