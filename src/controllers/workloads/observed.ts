import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Module } from '../../api/module.ts'
import type { DeviceClass } from '../../kube/device-class.ts'
import type { Presence } from '../../kube/optional-cache.ts'
import type { ListedDeviceClass } from '../cluster/device-class.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { PluginRole } from '../cluster/plugin-role.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { DaemonSetRefusal } from '../cluster/refusals.ts'

/** What `workloads` sees of one Module, or of what a vanished one left behind. */
export interface ObservedWorkloads {
  namespace: string
  name: string
  module?: Module
  /** DaemonSets of each role, oldest first. */
  daemonSets: Readonly<Record<PluginRole, readonly DaemonSet[]>>
  /** What the API server did not take of what the Module asks for now. */
  refused: Readonly<Partial<Record<PluginRole, DaemonSetRefusal>>>
  /** Device plugin and DRA pods, and whether the node that they are on answers. */
  pods: readonly { pod: PodView; nodeReady: boolean }[]
  /** Nodes that the Module selects, or that carry one of its device plugin labels. */
  nodes: readonly NodeView[]
  /** Whether the cluster has DRA. */
  dra: Presence
  /** The DeviceClasses that the Module asks for; none of one that is being deleted. */
  listedClasses: readonly ListedDeviceClass[]
  /** DeviceClasses with the Module's labels that it does not ask for any more. */
  unlistedClasses: readonly DeviceClass[]
}
