import {
  type LocalObjectReference,
  localObjectReferenceSchema,
  type Toleration,
  tolerationSchema,
} from './core.generated.ts'
import { defaultImagePullPolicy } from './defaults.ts'
import { modprobe, tlsOptions } from './module-parts.ts'
import type { ObjectMeta } from './object-meta.ts'
import {
  boolean,
  type Infer,
  imported,
  integer,
  list,
  object,
  optional,
  string,
  strings,
  time,
  word,
} from './schema/builder.ts'

export const moduleConfig = object({
  containerImage: string('The image, as the Module has it after substitution.'),
  imageDigest: optional(string('Digest of the image that was last verified, for the next load.')),
  imagePullPolicy: optional(string('Always, IfNotPresent or Never.', { default: defaultImagePullPolicy })),
  inTreeModuleToRemove: optional(string('Deprecated: stands for a list of one.')),
  inTreeModulesToRemove: optional(strings("Modules of the node's own kernel to unload first.")),
  insecurePull: boolean('The registry may be reached with less security than usual.'),
  kernelVersion: string('The kernel that the image is for.'),
  modprobe,
  registryTLS: optional(tlsOptions, 'How the registry may be reached; tells apart what insecurePull joins.'),
})
/** What a worker loads or unloads. Compare two of them with `sameKernelState`. */
export type ModuleConfig = Infer<typeof moduleConfig>

const itemFields = {
  imageRepoSecret: optional(
    imported<LocalObjectReference>(localObjectReferenceSchema, 'Secret with the credentials of the registry.'),
  ),
  name: string('Name of the Module.'),
  namespace: string('Namespace of the Module.'),
  serviceAccountName: string('Service account of the worker pod.'),
  tolerations: optional(list(imported<Toleration>(tolerationSchema), 'Tolerations of the worker pod.')),
  version: optional(string('Version of the Module.')),
}

const specItem = object({ ...itemFields, config: moduleConfig })
/** A Module that must be in the node's kernel. */
export type NodeModuleItem = Infer<typeof specItem>

const statusItem = object({
  ...itemFields,
  bootId: optional(string('Boot ID of the node when the module was loaded.')),
  config: optional(moduleConfig),
})
/** A Module that is in the node's kernel. */
export type NodeModuleStatusItem = Infer<typeof statusItem>

const workerStatus = object({
  action: word(['Load', 'Unload'], 'What the worker is to do.'),
  attempt: integer('How often it was tried, the present attempt included.'),
  message: optional(string('What is the case, and what to do about it.')),
  name: string('Name of the Module.'),
  namespace: string('Namespace of the Module.'),
  reason: string('Why the work is not done.'),
  since: time('Since when this is the reason.'),
})
/** Work on the node that is under way, fails, or is waited for. */
export type WorkerStatus = Infer<typeof workerStatus>

const spec = object(
  { modules: optional(list(specItem, "Modules that must be in the node's kernel.")) },
  'What is wanted.',
)
export type NodeModulesConfigSpec = Infer<typeof spec>

const status = object(
  {
    modules: optional(list(statusItem, "Modules that are in the node's kernel.")),
    workers: optional(list(workerStatus, 'Work that is under way, fails, or is waited for.')),
  },
  'What is the case.',
)
export type NodeModulesConfigStatus = Infer<typeof status>

/** The schema of `spec` and `status` of a NodeModulesConfig. */
export const nodeModulesConfigFields = { spec: optional(spec), status: optional(status) }

/** Which Modules must be, and are, in the kernel of the node of the same name. */
export interface NodeModulesConfig {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec?: NodeModulesConfigSpec
  status?: NodeModulesConfigStatus
}
