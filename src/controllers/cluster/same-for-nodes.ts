import { isEqualJson } from '../../kube/json.ts'
import type { Module } from '../../api/module.ts'
import { isSameWish } from './same-wish.ts'

/** True when a change of a Module concerns no node: what the operator writes into its status does not. */
export function isSameForNodes(before: Module, after: Module): boolean {
  return (
    isSameWish(before, after) &&
    isEqualJson(before.metadata.finalizers, after.metadata.finalizers) &&
    isEqualJson(before.metadata.annotations, after.metadata.annotations)
  )
}
