/** On a worker pod: YAML of the ModuleConfig that it loads or unloads; the worker reads it as a file. */
export const workerConfigAnnotation = 'kmm.node.kubernetes.io/worker-config'
/** On a worker pod: YAML list of the entry's tolerations; absent when there are none. */
export const workerTolerationsAnnotation = 'kmm.node.kubernetes.io/worker-tolerations'
/** On a worker pod that loads: the Module's version; absent when it has none. */
export const workerModuleVersionAnnotation = 'kmm.node.kubernetes.io/worker-module-version'
/** On a worker pod: what proves that the operator made it. */
export const workerHashAnnotation = 'kmm.node.kubernetes.io/worker-hash'
/** On a worker pod that loads: the text of a file for modprobe, when the Module has a loading order. */
export const modulesOrderAnnotation = 'kmm.node.kubernetes.io/modules-order'
/** On a worker pod: YAML of the registry settings that the worker pulls with. KMM's own, unknown upstream. */
export const workerRegistryAnnotation = 'kmm.node.kubernetes.io/worker-registry'
/** On a worker pod whose kmod image the kubelet mounts: `volume`; else absent. KMM's own, unknown upstream. */
export const workerImageSourceAnnotation = 'kmm.node.kubernetes.io/worker-image-source'
/** On a worker pod that removes modules: those that other Modules of the node ask for, one a line. KMM's own, unknown upstream. */
export const workerSparedAnnotation = 'kmm.node.kubernetes.io/worker-spared-modules'
/** On a build or sign pod: hash of everything that the attempt is made from. */
export const jobHashAnnotation = 'kmm.node.kubernetes.io/last-hash'
/** On a build pod: the Dockerfile, which the builder reads as a file: what was hashed is what is built (upstream has it on sign pods). */
export const dockerfileAnnotation = 'dockerfile'
/** On a build or sign pod: the image that it is for, as the ModuleImagesConfig names it. KMM's own, unknown upstream. */
export const jobImageAnnotation = 'kmm.node.kubernetes.io/job-image'
/** On a build or sign pod: which attempt it is, from 1. KMM's own, unknown upstream. */
export const jobAttemptAnnotation = 'kmm.node.kubernetes.io/job-attempt'
/** On a build or sign pod that pushes nothing: `true`; else absent. KMM's own, unknown upstream. */
export const jobNoPushAnnotation = 'kmm.node.kubernetes.io/job-no-push'
/** On a ModuleImagesConfig of a preflight, whose name is not its Module's: the Module's name. KMM's own, unknown upstream. */
export const imagesModuleAnnotation = 'kmm.sigs.x-k8s.io/module-name'
/** On a Module: when to unload, one of `unloadPolicies`. KMM's own, unknown upstream. */
export const unloadPolicyAnnotation = 'kmm.sigs.x-k8s.io/unload-policy'

/** When a kernel module is unloaded; the first is the default. */
export const unloadPolicies = ['OnDelete', 'OnTaint', 'Never'] as const

export type UnloadPolicy = (typeof unloadPolicies)[number]

/** The value of the annotation where it is no policy. */
export function findUnknownPolicy(annotations: Readonly<Record<string, string>> | undefined): string | undefined {
  const value = annotations?.[unloadPolicyAnnotation]
  return unloadPolicies.some((policy) => policy === value) ? undefined : value
}

/** The unload policy that a Module's annotations ask for; an absent or unknown value is `OnDelete`. */
export function parseUnloadPolicy(annotations: Readonly<Record<string, string>> | undefined): UnloadPolicy {
  const value = annotations?.[unloadPolicyAnnotation]
  return unloadPolicies.find((policy) => policy === value) ?? 'OnDelete'
}
