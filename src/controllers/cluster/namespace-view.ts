import type { Namespace } from 'kubernetes-types/core/v1.js'
import { containsModulesLabel } from '../../api/labels.ts'

/** What the rules use of a Namespace. */
export interface NamespaceView {
  name: string
  uid: string
  terminating: boolean
  /** It carries the label that guards it against deletion. */
  containsModules: boolean
}

/** Trims a Namespace to its view. */
export function trimNamespace(namespace: Namespace): NamespaceView {
  return {
    name: namespace.metadata?.name ?? '',
    uid: namespace.metadata?.uid ?? '',
    terminating: namespace.metadata?.deletionTimestamp !== undefined || namespace.status?.phase === 'Terminating',
    containsModules: namespace.metadata?.labels?.[containsModulesLabel] !== undefined,
  }
}
