import type { Module } from '../../api/module.ts'
import type { Caches } from './caches.ts'
import { matchesSelector, type NodeView } from './node-view.ts'

/** The nodes that a Module's selector picks, tainted ones included. */
export function listSelectedNodes(module: Module, caches: Pick<Caches, 'nodes'>): NodeView[] {
  const selector = module.spec?.selector ?? {}
  return caches.nodes.list().filter((node) => matchesSelector(node.labels, selector))
}
