import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { PluginConcern } from '../cluster/plugin-concerns.ts'
import type { NamespaceView } from '../cluster/namespace-view.ts'
import type { NodeStanding } from './classify.ts'

/** One node that the Module selects, or that still has something of it. */
export interface ReportedNode {
  name: string
  standing: NodeStanding
  /** The image that the Module asks for there, and the kernel for which; absent where no mapping says so. */
  wanted?: { image: string; kernelVersion: string }
  /** The node matches the selector and may get the module: what upstream counts as targeted. */
  targeted: boolean
  /** The plan of the node names the Module. */
  configured: boolean
  /** Loaded as the plan has it, in the present boot. */
  available: boolean
  /** A pod of the device plugin or DRA driver should be there. */
  pluginExpected: boolean
  /** Something of the Module is left on the node: the finalizer waits for it. */
  inUse: boolean
}

/** The DaemonSets of the device plugin or the DRA driver, summed up. */
export interface PluginCounts {
  /** Nodes that match the selector and can be scheduled to: what upstream counts as matching and as desired. */
  targeted: number
  /** Nodes where a pod should be by now: those of the DaemonSets, and those where the module is loaded for it. */
  desired: number
  available: number
  /** There is a DaemonSet, and its controller has seen its present form. */
  rolledOut: boolean
  /** What keeps pods from being available, by the first of them; absent where nothing is known to. */
  words?: string
}

/** What `report` sees of one Module. */
export interface ObservedReport {
  module: Module
  nodes: readonly ReportedNode[]
  images?: ModuleImagesConfig
  plugin: PluginCounts
  /** What keeps the device plugin or DRA driver that the Module asks for from being of use, besides its pods. */
  concerns: readonly PluginConcern[]
  /** A write is under way that puts the Module onto a node. */
  claimed: boolean
  namespace?: NamespaceView
  /** When the status was last written by this process (epoch). */
  lastWriteMs: number
}

/** What `report` sees of a namespace in which no Module is left. */
export interface ObservedEmptyNamespace {
  emptyNamespace: NamespaceView
}
