import type { UnloadPolicy } from '../../api/annotations.ts'
import type {
  NodeModuleItem,
  NodeModuleStatusItem,
  NodeModulesConfig,
  WorkerStatus,
} from '../../api/node-modules-config.ts'
import type { Answer } from '../plan/answered.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { Worker } from './worker.ts'
import type { WorkerIntent } from './worker-intent.ts'

/** A worker pod that the API server did not accept. */
export interface Refusal {
  /** Where the pod was to run. */
  podNamespace: string
  /** The hash of the pod: a refusal says nothing of another pod. */
  hash: string
  reason: 'WorkerPodRefused' | 'ImageVolumeUnsupported'
  message: string
  attempt: number
  /** Not tried again before this time (epoch). */
  untilMs: number
}

/** Everything that is known of one Module on one node. */
export interface ObservedModule {
  namespace: string
  name: string
  /** What the plan wants in the kernel; undefined: nothing. */
  entry?: NodeModuleItem
  /** What the status says is in the kernel. An empty bootId means that it may be. */
  loaded?: NodeModuleStatusItem
  /** What the status says of the last failed worker. */
  reported?: WorkerStatus
  workers: readonly Worker[]
  refusal?: Refusal
  /** Device plugin and DRA pods of this Module on the node that need the module, in any state. */
  pluginPods: number
  /** Their names, and what keeps each. */
  pluginWords: string
  /** There is no such Module. */
  vanished: boolean
  /**
   * What the plan says now, where that matters: of a Module that it does not name, of one that is loaded otherwise than it
   * names, and of one that is never unloaded.
   * Undefined also where there is no such Module.
   */
  answer?: Answer
  policy: UnloadPolicy
  /** The Module's namespace is going away, or gone: no pod can be made there. */
  namespaceTerminating: boolean
}

/** What `work` sees of one node. */
export interface ObservedNode {
  node: NodeView
  config: NodeModulesConfig
  modules: readonly ObservedModule[]
  /** Hash of the pod that the intent would get, so that `decide` needs no key. */
  hashOfIntent: (intent: WorkerIntent) => string
  operatorNamespace: string
  /** Pods that only wait for the Go operator's finalizer. */
  stranded: readonly PodView[]
  /** Worker pods of this node that are not believed any more: they are in the way. */
  strays: readonly PodView[]
  /** Uids of worker pods that are gone, and of which this pass takes note. */
  departed: readonly string[]
}

/** What `work` sees of a node without a NodeModulesConfig, or with one that is being deleted: pods that wait for the Go operator's finalizer, and labels. */
export interface ObservedStranded {
  stranded: readonly PodView[]
  /** The Node, where it carries ready labels. */
  node?: NodeView
  /** What its NodeModulesConfig, while that is being deleted, says is loaded in the boot that runs. */
  loaded?: readonly NodeModuleStatusItem[]
}
