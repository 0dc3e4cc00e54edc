import type { Module } from '../../api/module.ts'
import { isSameWish } from './same-wish.ts'

/** True when a change of a Module concerns no node: what the operator writes into its status does not. */
export function isSameForNodes(before: Module, after: Module): boolean {
  return (
    isSameWish(before, after) &&
    JSON.stringify(before.metadata.finalizers) === JSON.stringify(after.metadata.finalizers) &&
    JSON.stringify(before.metadata.annotations) === JSON.stringify(after.metadata.annotations)
  )
}
