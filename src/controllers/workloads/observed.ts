import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Module } from '../../api/module.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { PodView } from '../cluster/pod-view.ts'

/** What `workloads` sees of one Module, or of what a vanished one left behind. */
export interface ObservedWorkloads {
  namespace: string
  name: string
  module?: Module
  /** Device plugin DaemonSets, oldest first. */
  daemonSets: readonly DaemonSet[]
  /** Device plugin and DRA pods, with the node that they are on where it still exists. */
  pods: readonly { pod: PodView; nodeExists: boolean }[]
  /** Nodes that the Module selects, or that carry one of its device plugin labels. */
  nodes: readonly NodeView[]
}
