import { getDevicePluginTargetLabel, getDraReadyLabel } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import { matchesSelector, type NodeView } from './node-view.ts'
import { findUntoleratedTaint } from './toleration.ts'

/**
 * True for a node that a Module's device plugin or DRA driver is for: one that has its label keeps it through
 * taints, a new one must be schedulable, by the Module's own tolerations (upstream: target labels).
 */
export function isPluginTarget(node: NodeView, { metadata, spec }: Module): boolean {
  if (spec === undefined || !matchesSelector(node.labels, spec.selector)) return false
  const { namespace, name } = metadata
  // A DRA driver has no target label: the one that says that it runs there stands for it.
  const label = spec.dra ? getDraReadyLabel(namespace, name) : getDevicePluginTargetLabel(namespace, name)
  if (node.labels[label] !== undefined) return true
  return findUntoleratedTaint(node, spec.tolerations ?? []) === undefined
}
