import type { Module } from '../../api/module.ts'

/** True when a change of a Module concerns no node: what the operator writes into its status does not. */
export function isSameForNodes(before: Module, after: Module): boolean {
  return (
    before.metadata.uid === after.metadata.uid &&
    before.metadata.generation === after.metadata.generation &&
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
    JSON.stringify(before.metadata.finalizers) === JSON.stringify(after.metadata.finalizers) &&
    JSON.stringify(before.metadata.annotations) === JSON.stringify(after.metadata.annotations)
  )
}
