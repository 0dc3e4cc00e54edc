import type { Module } from '../../api/module.ts'
import type { Caches } from './caches.ts'
import { matchesSelector, type NodeView } from './node-view.ts'

/** True where a Module's selector picks a node with these labels. */
export const isSelected = (module: Module, labels: NodeView['labels']): boolean =>
  matchesSelector(labels, module.spec?.selector ?? {})

/** The nodes that a Module's selector picks, tainted ones included. */
export function listSelectedNodes(module: Module, caches: Pick<Caches, 'nodes'>): NodeView[] {
  return caches.nodes.list().filter(({ labels }) => isSelected(module, labels))
}
