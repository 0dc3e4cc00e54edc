import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
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
export interface ObservedModule {
  namespace: string
  name: string
  /** Undefined when no such Module exists: it vanished, or was never there. */
  module?: Module
  mapping: MappingAnswer
  image: ImageFact
}

/** What `plan` sees of one node. */
export interface ObservedPlan {
  node: NodeView
  modules: readonly ObservedModule[]
  config?: NodeModulesConfig
  /** Modules that have a worker pod on the node, by `namespace/name`. */
  busy: ReadonlyMap<string, { namespace: string; name: string }>
}
