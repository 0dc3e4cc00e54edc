/** The domain of the labels that KMM puts on nodes, and of those that users select nodes by. */
const nodeDomain = 'kmm.node.kubernetes.io'
/** The domain of the labels that only KMM itself reads. */
const internalDomain = 'beta.kmm.node.kubernetes.io'

/** On worker, build, sign, device plugin and DRA pods, on DaemonSets and DeviceClasses: the Module's name. */
export const moduleNameLabel = 'kmm.node.kubernetes.io/module.name'
/** On DeviceClasses: the Module's namespace. */
export const moduleNamespaceLabel = 'kmm.node.kubernetes.io/module.namespace'
/** On DaemonSets and their pods: one of `roles`. */
export const roleLabel = 'kmm.node.kubernetes.io/role'
/** The values of the role label; `module-loader` stands only on DaemonSets of very old versions. */
export const roles = ['device-plugin', 'dra', 'module-loader'] as const
/** On worker pods: `Load` or `Unload`. */
export const workerActionLabel = 'kmm.node.kubernetes.io/worker-action'
/** On a Namespace that holds at least one Module; its value is empty. Its domain differs from all others (upstream). */
export const containsModulesLabel = 'kmm.node.k8s.io/contains-modules'
/** On pods that upstream made to pull an image: the name of the ModuleImagesConfig. */
export const imageOwnerLabel = 'kmm.node.kubernetes.io/image-owner'
/** On pods that upstream made to pull an image: `one-time-pull` or `until-success`. */
export const pullPodTypeLabel = 'kmm.node.kubernetes.io/pull-pod-type'
/** On build and sign pods: the kernel, in a form that is a DNS name. */
export const targetKernelLabel = 'kmm.node.kubernetes.io/target-kernel'
/** On build and sign pods: `BuildImage` or `SignImage`. */
export const resourceTypeLabel = 'kmm.node.kubernetes.io/resource-type'
/** On ManifestWorks: the name of the ManagedClusterModule. */
export const managedClusterModuleNameLabel = 'kmm.node.kubernetes.io/managedclustermodule.name'
export const appNameLabel = 'app.kubernetes.io/name'
export const appPartOfLabel = 'app.kubernetes.io/part-of'
export const appComponentLabel = 'app.kubernetes.io/component'

/** Namespace and name of a Module have at most this many characters together: the longest label of a node leaves no room for more. */
export const mostNameCharacters = 41

/** The node's label that says: this Module's kernel module is loaded. Its value is empty. */
export function getKernelModuleReadyNodeLabel(namespace: string, moduleName: string): string {
  return `${nodeDomain}/${namespace}.${moduleName}.ready`
}

/** The node's label whose value is the loaded version, where the Module has a version. */
export function getKernelModuleVersionReadyNodeLabel(namespace: string, moduleName: string): string {
  return `${nodeDomain}/${namespace}.${moduleName}.version.ready`
}

const moduleVersionPrefix = `${nodeDomain}/version-module.`
const workerPodVersionPrefix = `${internalDomain}/version-worker-pod.`
const schedulePodVersionPrefix = `${internalDomain}/version-schedule-pod.`

/** The node's label by which an administrator chooses the version in an ordered upgrade. */
export function getModuleVersionLabelName(namespace: string, moduleName: string): string {
  return `${moduleVersionPrefix}${namespace}.${moduleName}`
}

/** The node's label that allows worker pods of the version that it names. */
export function getWorkerPodVersionLabelName(namespace: string, moduleName: string): string {
  return `${workerPodVersionPrefix}${namespace}.${moduleName}`
}

/** The node's label that lets device plugin and DRA pods of the version that it names run there. */
export function getSchedulePodVersionLabelName(namespace: string, moduleName: string): string {
  return `${schedulePodVersionPrefix}${namespace}.${moduleName}`
}

/** The node's label that lets the device plugin's DaemonSet run there. Its value is empty. */
export function getDevicePluginTargetLabel(namespace: string, moduleName: string): string {
  return `${nodeDomain}/${namespace}.${moduleName}.device-plugin-target`
}

/** The node's label that says: a device plugin pod of this Module is ready. Its value is empty. */
export function getDevicePluginReadyLabel(namespace: string, moduleName: string): string {
  return `${nodeDomain}/${namespace}.${moduleName}.device-plugin-ready`
}

/** The node's label that says: a DRA driver pod of this Module is ready. Its value is empty. */
export function getDraReadyLabel(namespace: string, moduleName: string): string {
  return `${nodeDomain}/${namespace}.${moduleName}.dra-ready`
}

/** The NodeModulesConfig's label that says: the Module is in its spec. Its value is empty. */
export function getModuleConfiguredLabel(namespace: string, moduleName: string): string {
  return `${internalDomain}/${namespace}.${moduleName}.module-configured`
}

/** The NodeModulesConfig's label that says: the Module is, or may still be, in the node's kernel. Its value is empty. */
export function getModuleInUseLabel(namespace: string, moduleName: string): string {
  return `${internalDomain}/${namespace}.${moduleName}.module-in-use`
}

/** The Module that a label names. */
export interface ModuleName {
  namespace: string
  name: string
}

/** True for a Module whose labels would be too long: the API server takes no write that carries one. */
export const isNameTooLong = ({ namespace, name }: ModuleName): boolean =>
  namespace.length + name.length > mostNameCharacters

// A namespace holds no dot, a module's name may: the first dot divides them.
function parseModuleLabel(key: string, domain: string, suffix: string): ModuleName | undefined {
  return parseBetween(key, `${domain}/`, suffix)
}

function parseBetween(key: string, prefix: string, suffix: string): ModuleName | undefined {
  if (!key.startsWith(prefix) || !key.endsWith(suffix)) return undefined
  const text = key.slice(prefix.length, key.length - suffix.length)
  const match = /^([a-zA-Z0-9-]+)\.([a-zA-Z0-9.-]+)$/.exec(text)
  const [, namespace, name] = match ?? []
  return namespace === undefined || name === undefined ? undefined : { namespace, name }
}

/** The Module of a node's ready label; undefined for every other key, the version's ready label among them. */
export function parseKernelModuleReadyNodeLabel(key: string): ModuleName | undefined {
  if (key.endsWith('.version.ready')) return undefined
  return parseModuleLabel(key, nodeDomain, '.ready')
}

/** The Module of a node's version ready label; undefined for every other key. */
export function parseKernelModuleVersionReadyNodeLabel(key: string): ModuleName | undefined {
  return parseModuleLabel(key, nodeDomain, '.version.ready')
}

/** The Module of a node's label by which an administrator chooses the version; undefined for every other key. */
export function parseModuleVersionLabelName(key: string): ModuleName | undefined {
  return parseBetween(key, moduleVersionPrefix, '')
}

/** The Module of a node's label that allows worker pods; undefined for every other key. */
export function parseWorkerPodVersionLabelName(key: string): ModuleName | undefined {
  return parseBetween(key, workerPodVersionPrefix, '')
}

/** The Module of a node's label that lets device plugin and DRA pods run; undefined for every other key. */
export function parseSchedulePodVersionLabelName(key: string): ModuleName | undefined {
  return parseBetween(key, schedulePodVersionPrefix, '')
}

/**
 * True when the labels of a node say that the Module is loaded. The value tells: a label of the same name that is not empty
 * is another Module's version.
 */
export function hasReadyLabel(labels: Readonly<Record<string, string>>, { namespace, name }: ModuleName): boolean {
  return labels[getKernelModuleReadyNodeLabel(namespace, name)] === ''
}

/** The Module of a NodeModulesConfig's label `…module-configured`; undefined for every other key. */
export function parseModuleConfiguredLabel(key: string): ModuleName | undefined {
  return parseModuleLabel(key, internalDomain, '.module-configured')
}

/** The Module of a NodeModulesConfig's label `…module-in-use`; undefined for every other key. */
export function parseModuleInUseLabel(key: string): ModuleName | undefined {
  return parseModuleLabel(key, internalDomain, '.module-in-use')
}

/** True for the ready label of very old versions, `kmm.node.kubernetes.io/<x>.ready`, which has no namespace. */
export function isDeprecatedReadyNodeLabel(key: string): boolean {
  return /^kmm\.node\.kubernetes\.io\/[a-zA-Z0-9-]+\.ready$/.test(key)
}
