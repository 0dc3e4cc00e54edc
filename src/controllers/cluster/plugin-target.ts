import { getDevicePluginTargetLabel } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import { matchesSelector, type NodeView } from './node-view.ts'
import { findUntoleratedTaint } from './toleration.ts'

/**
 * True for a node that a Module's device plugin or DRA driver is for: one that has the target label keeps it through
 * taints, a new one must be schedulable, by the Module's own tolerations (upstream: target labels).
 */
export function isPluginTarget(node: NodeView, { metadata, spec }: Module): boolean {
  if (spec === undefined || !matchesSelector(node.labels, spec.selector)) return false
  if (node.labels[getDevicePluginTargetLabel(metadata.namespace, metadata.name)] !== undefined) return true
  return findUntoleratedTaint(node, spec.tolerations ?? []) === undefined
}
