import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { moduleNamespaceLabel, moduleNameLabel } from '../../api/labels.ts'
import type { Cache } from '../../kube/cache.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import type { PresenceCache } from '../../kube/optional-cache.ts'
import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Namespace, Node, Pod } from 'kubernetes-types/core/v1.js'
import { listKernelModules } from './kernel-modules.ts'
import type { NodeView } from './node-view.ts'
import type { NamespaceView } from './namespace-view.ts'
import { isWorkerPod, type PodView } from './pod-view.ts'

/** Every cache that the controllers read; each is declared with the indexes below. */
export interface Caches {
  nodes: Cache<Node, NodeView>
  modules: Cache<Module, Module>
  nodeModulesConfigs: Cache<NodeModulesConfig, NodeModulesConfig>
  moduleImagesConfigs: Cache<ModuleImagesConfig, ModuleImagesConfig>
  preflightValidations: Cache<PreflightValidation, PreflightValidation>
  /** Pods that carry KMM's module label. */
  pods: Cache<Pod, PodView>
  daemonSets: Cache<DaemonSet, DaemonSet>
  namespaces: Cache<Namespace, NamespaceView>
  /** All of them, somebody else's too; only where the cluster has DRA. */
  deviceClasses: PresenceCache<DeviceClass, DeviceClass>
}

/**
 * `namespace/name` of the Module that a pod works for. Only a worker may run outside the Module's namespace: whoever
 * makes other pods must not make them count for a Module elsewhere.
 */
export function moduleKeyOfPod(pod: PodView): string {
  const namespace = isWorkerPod(pod) ? (pod.labels[moduleNamespaceLabel] ?? pod.namespace) : pod.namespace
  return `${namespace}/${pod.labels[moduleNameLabel] ?? ''}`
}

/** `namespace/name` of the Module that a DaemonSet works for. */
export function moduleKeyOfDaemonSet({ metadata }: DaemonSet): string {
  return `${metadata?.namespace ?? ''}/${metadata?.labels?.[moduleNameLabel] ?? ''}`
}

/** Pods by the node that they run on. */
export const podsByNode = 'node'

/** Pods by the Module (`namespace/name`) that they work for. */
export const podsByModule = 'module'

/** Build and sign pods by which of the two they are: `BuildImage` or `SignImage`. */
export const podsByJobType = 'jobType'

/** NodeModulesConfigs by each Module (`namespace/name`) that their spec, status or labels name. */
export const configsByModule = 'module'

/** ModuleImagesConfigs by the PreflightValidation (uid) that owns them; those of Modules are under no value. */
export const imagesByPreflight = 'preflight'

/** ModuleImagesConfigs by the Module (`namespace/name`) that they are about, its own and those of preflights. */
export const imagesByModule = 'module'

/** DaemonSets by the Module (`namespace/name`) in their labels. */
export const daemonSetsByModule = 'module'

/** Modules by each kernel module that they ask for, as the kernel spells it. */
export const modulesByKernelModule = 'kernelModule'

const kernelModules = new WeakMap<Module, readonly string[]>()

/** The kernel modules that a Module asks for, as the kernel spells them; remembered, as each node asks for them. */
export function kernelModulesOf(module: Module): readonly string[] {
  const known = kernelModules.get(module)
  if (known) return known
  const loader = module.spec?.moduleLoader
  const listed = loader ? listKernelModules(loader.container.modprobe) : []
  kernelModules.set(module, listed)
  return listed
}

/** DeviceClasses by the Module (`namespace/name`) in their labels. */
export const deviceClassesByModule = 'module'

/** Nodes by `uname -r`. */
export const nodesByKernel = 'kernel'
