import type { NodeView } from '../cluster/node-view.ts'

/** What a Module has to do with the version labels of a node. */
export type Claim =
  /** It has a version and selects the node: the labels are followed. */
  | 'ordered'
  /** It selects the node and has no version: the internal labels mean nothing. */
  | 'unordered'
  /** It is gone, or going, or does not load anything on the node: the labels mean nothing once nothing of it is left there. */
  | 'none'

/** The values of a Module's three version labels; empty where a label is missing or empty. */
export interface VersionLabels {
  /** What the administrator asks for: never written here. */
  module: string
  worker: string
  schedule: string
}

/** A Module that the version labels of a node name. */
export interface ObservedModule {
  namespace: string
  name: string
  claim: Claim
  /** The version that the Module has; empty without one. */
  version: string
  labels: VersionLabels
  /** The version that the plan of the node names, empty for one without; undefined: the plan does not name the Module. */
  planned?: string
  /** The version that is, or may be, in the node's kernel; undefined: nothing of the Module is. */
  loaded?: string
  /** The node has the Module's ready label. */
  ready: boolean
  /** The version that is loaded and by the Module's unload policy stays until the next boot; absent where nothing stays so. */
  pinned?: string
  /** Device plugin and DRA pods of the Module on the node that need the module, in any state. */
  pluginPods: number
  /** Their names, and what keeps each. */
  pluginWords: string
}

/** What `upgrade` sees of one node. */
export interface ObservedUpgrade {
  node: NodeView
  modules: readonly ObservedModule[]
}
