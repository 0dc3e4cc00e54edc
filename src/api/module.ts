import { conditions } from './condition.ts'
import {
  type DeviceClassConfiguration,
  type DeviceSelector,
  deviceClassConfigurationSchema,
  deviceSelectorSchema,
  type EnvVar,
  envVarSchema,
  type LocalObjectReference,
  localObjectReferenceSchema,
  type ResourceRequirements,
  resourceRequirementsSchema,
  type Toleration,
  tolerationSchema,
  type Volume,
  type VolumeMount,
  volumeMountSchema,
  volumeSchema,
} from './core.generated.ts'
import { build, modprobe, sign, tlsOptions } from './module-parts.ts'
import type { NamespacedMeta } from './object-meta.ts'
import {
  boolean,
  type Infer,
  imported,
  integer,
  list,
  map,
  object,
  optional,
  string,
  strings,
  time,
} from './schema/builder.ts'

const repoSecret = imported<LocalObjectReference>(
  localObjectReferenceSchema,
  'Secret with the credentials of the registries.',
)

const inTreeModuleToRemove = optional(string('Deprecated: use inTreeModulesToRemove.'))
const inTreeModulesToRemove = optional(strings("Modules of the node's own kernel to unload before this one is loaded."))
const registryTLS = optional(tlsOptions, 'How the registry of the image may be reached.')

const kernelMapping = object({
  build: optional(build, 'How to build the image when it does not exist.'),
  containerImage: string('Image for these kernels; variables are substituted. Empty: the containerImage above.'),
  inTreeModuleToRemove,
  inTreeModulesToRemove,
  literal: optional(string('Matches this kernel version alone.')),
  regexp: optional(string('Matches every kernel version in which this RE2 pattern is found.')),
  registryTLS,
  sign: optional(sign, 'How to sign the modules of the image.'),
})
/** Which image serves which kernels. An absent list of in-tree modules inherits the container's. */
export type KernelMapping = Infer<typeof kernelMapping>

const moduleLoaderContainer = object({
  build: optional(build, 'How to build images, for every mapping.'),
  containerImage: optional(string('Image for the mappings that name none.')),
  imagePullPolicy: optional(string('Always, IfNotPresent or Never.')),
  inTreeModuleToRemove,
  inTreeModulesToRemove,
  kernelMappings: list(kernelMapping, 'Which image serves which kernels; the first that matches is taken.', {
    minItems: 1,
  }),
  modprobe,
  registryTLS,
  sign: optional(sign, 'How to sign modules, for every mapping.'),
  version: optional(string('Version of the module, for ordered upgrades.')),
})
/** Which kernel module to load, and from which images. */
export type ModuleLoaderContainer = Infer<typeof moduleLoaderContainer>

const moduleLoader = object({
  container: moduleLoaderContainer,
  serviceAccountName: optional(string('Service account of the worker pods.')),
})
export type ModuleLoader = Infer<typeof moduleLoader>

const commonContainer = object({
  args: optional(strings('Arguments of the program.')),
  command: optional(strings('The program, in place of the one that the image starts.')),
  env: optional(list(imported<EnvVar>(envVarSchema), 'Environment variables.')),
  image: string('Image of the container.'),
  imagePullPolicy: optional(string('Always, IfNotPresent or Never.')),
  resources: optional(imported<ResourceRequirements>(resourceRequirementsSchema, 'Resources of the container.')),
  volumeMounts: optional(list(imported<VolumeMount>(volumeMountSchema), 'Where volumes are mounted.')),
})
/** A container of a device plugin or DRA driver. */
export type CommonContainerSpec = Infer<typeof commonContainer>

const podFields = {
  automountServiceAccountToken: optional(boolean("Whether pods get their service account's token.")),
  container: commonContainer,
  initContainer: optional(commonContainer, 'A container that runs to its end first.'),
  serviceAccountName: optional(string('Service account of the pods; one is made when absent.')),
  volumes: optional(list(imported<Volume>(volumeSchema), 'Volumes besides those that KMM adds.')),
}

const devicePlugin = object(podFields)
/** The device plugin that runs where the module is loaded. */
export type DevicePlugin = Infer<typeof devicePlugin>

const deviceClass = object({
  config: optional(
    list(imported<DeviceClassConfiguration>(deviceClassConfigurationSchema), 'Settings for the driver.', {
      maxItems: 32,
    }),
  ),
  name: string('Name of the DeviceClass.', {
    pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$',
  }),
  selectors: optional(
    list(imported<DeviceSelector>(deviceSelectorSchema), 'Which devices belong to the class.', { maxItems: 32 }),
  ),
})
/** A DeviceClass to create in the cluster. */
export type DeviceClassSpec = Infer<typeof deviceClass>

const dra = object({
  ...podFields,
  deviceClasses: optional(list(deviceClass, 'DeviceClasses to create.')),
  driverName: string('Name of the DRA driver.'),
})
/** The driver for dynamic resource allocation that runs where the module is loaded. */
export type DRA = Infer<typeof dra>

const exclusive = {
  rule: '!(has(self.dra) && has(self.devicePlugin))',
  message: 'spec.dra and spec.devicePlugin are mutually exclusive',
}

export const moduleSpec = object(
  {
    devicePlugin: optional(devicePlugin, 'Device plugin to run where the module is loaded.'),
    dra: optional(dra, 'DRA driver to run where the module is loaded.'),
    imageRebuildTriggerGeneration: optional(integer('Changing this verifies, and where needed rebuilds, all images.')),
    imageRepoSecret: optional(repoSecret),
    moduleLoader: optional(moduleLoader, 'Kernel module to load; without it only pods run.'),
    selector: map(string(), 'Labels of the nodes that the module is for.'),
    tolerations: optional(list(imported<Toleration>(tolerationSchema), 'Taints of nodes that do not matter.')),
  },
  'What is wanted.',
  [exclusive],
)
/** What the author of a Module wants. */
export type ModuleSpec = Infer<typeof moduleSpec>

const counts = object({
  availableNumber: optional(integer('Nodes where it is there.', { format: 'int32' })),
  desiredNumber: optional(integer('Nodes where it should be.', { format: 'int32' })),
  nodesMatchingSelectorNumber: optional(integer('Nodes that the selector chooses.', { format: 'int32' })),
})
/** Numbers of nodes; a zero may be absent. */
export type NodeCounts = Infer<typeof counts>

const reasonCount = object({
  nodes: integer('How many nodes have it.'),
  reason: string('Why the module is not loaded there.'),
})
/** On how many nodes a module is not loaded for one reason. */
export type ReasonCount = Infer<typeof reasonCount>

const worstNode = object({
  message: optional(string('What is the case, and what to do about it.')),
  node: string('Name of the node.'),
  reason: string('Why the module is not loaded there.'),
  since: optional(time('Since when.')),
})
/** A node where a module is not loaded. */
export type WorstNode = Infer<typeof worstNode>

const moduleStatus = object(
  {
    conditions: optional(conditions),
    devicePlugin: optional(counts, 'Where the device plugin runs.'),
    dra: optional(counts, 'Where the DRA driver runs.'),
    imageRebuildTriggerGeneration: optional(integer('The trigger that was last acted on.')),
    moduleLoader: optional(counts, 'Where the module is loaded.'),
    observedGeneration: optional(integer('The generation that the status is about.', { format: 'int64' })),
    reasons: optional(list(reasonCount, 'Why the module is not loaded everywhere, with numbers of nodes.')),
    worstNodes: optional(list(worstNode, 'The nodes that need attention most, at most ten.')),
  },
  'What is the case.',
)
/** What the operator found out about a Module. */
export type ModuleStatus = Infer<typeof moduleStatus>

/** The schema of `spec` and `status` of a Module. */
export const moduleFields = { spec: optional(moduleSpec), status: optional(moduleStatus) }

/** A kernel module, the images that hold it, and the nodes that it is for. */
export interface Module {
  apiVersion?: string
  kind?: string
  metadata: NamespacedMeta
  spec?: ModuleSpec
  status?: ModuleStatus
}

export type { Condition } from './condition.ts'
export type { LocalObjectReference, Toleration } from './core.generated.ts'
export type { Build, BuildArg, ModprobeArgs, ModprobeSpec, Sign, TLSOptions } from './module-parts.ts'
