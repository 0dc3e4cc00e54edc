import type { NodeModulesConfig, NodeModuleStatusItem, WorkerStatus } from '../../api/node-modules-config.ts'
import type { LoadedItem } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { WorkerIntent } from './worker-intent.ts'

/** What `work` can do; one idempotent call each. */
export type Action =
  | {
      type: 'writeStatus'
      config: NodeModulesConfig
      modules: readonly NodeModuleStatusItem[]
      workers: readonly WorkerStatus[]
    }
  | {
      type: 'labelNode'
      node: string
      labels: Readonly<Record<string, string | null>>
      /** What is set holds for this boot of the node, and for no other. */
      bootId?: string
    }
  | {
      type: 'recordEvent'
      node: NodeView
      /** What makes the event's name, so that it is recorded once however often the pass is repeated. */
      podUid: string
      reason: 'ModuleLoaded' | 'ModuleUnloaded'
      namespace: string
      name: string
    }
  /** Tells, on the node, of a Module that left without a deletion being seen. */
  | {
      type: 'recordVanished'
      node: NodeView
      config: NodeModulesConfig
      namespace: string
      name: string
      message: string
    }
  /** Tells of a module that stays in the kernel although it is no longer its Module's. */
  | { type: 'recordLeft'; node: NodeView; config: NodeModulesConfig; loaded: LoadedItem; why: string }
  | { type: 'deletePod'; namespace: string; name: string; uid: string }
  /** What these pods, which are gone, have done is written down. */
  | { type: 'forgetPods'; node: string; uids: readonly string[] }
  /** Takes the Go operator's finalizer off a worker pod that is being deleted. */
  | { type: 'releasePod'; pod: PodView }
  | {
      type: 'createPod'
      intent: WorkerIntent
      hash: string
      node: NodeView
      config: NodeModulesConfig
      refusedAttempts: number
    }
