import type { Module } from '../../api/module.ts'
import type { NodeModuleItem, NodeModulesConfig, NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import type { ImagePhase } from '../../api/module-images-config.ts'
import type { MappingAnswer } from '../cluster/answer-mapping.ts'
import type { NodeView } from '../cluster/node-view.ts'

/** What is known of the image that the mapping names. */
export interface ImageFact {
  phase: ImagePhase
  digest?: string
  reason?: string
  message?: string
}

/** A Module that selects the node, or that the node's NodeModulesConfig names. */
export interface ObservedCandidate {
  namespace: string
  name: string
  /** Undefined when no such Module exists: it vanished, or was never there. */
  module?: Module
  mapping: MappingAnswer
  image: ImageFact
  /** What the node's plan says of it so far. */
  entry?: NodeModuleItem
  /** What the node's status says of it. */
  loaded?: NodeModuleStatusItem
}

/** The same with those that it may have to share the node's kernel with. */
export interface ObservedModule extends ObservedCandidate {
  /** Other Modules of the node that ask for a kernel module that it asks for, or have one; and the rivals of these. */
  rivals: readonly ObservedCandidate[]
}

/** A Module with a worker pod, and the kernel modules that it asks for. */
export interface BusyModule {
  namespace: string
  name: string
  kernelModules: readonly string[]
}

/** What `plan` sees of one node. */
export interface ObservedPlan {
  node: NodeView
  modules: readonly ObservedModule[]
  config?: NodeModulesConfig
  /** What is known of the node from the NodeModulesConfig that somebody deleted. */
  lost?: NodeModulesConfig
  /** Modules that have a worker pod on the node, by `namespace/name`. */
  busy: ReadonlyMap<string, BusyModule>
}
