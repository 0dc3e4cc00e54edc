import type { Namespace } from 'kubernetes-types/core/v1.js'
import { containsModulesLabel } from '../../api/labels.ts'

/** The label that says which pods a namespace admits. */
const podSecurityLabel = 'pod-security.kubernetes.io/enforce'

/** What the rules use of a Namespace. */
export interface NamespaceView {
  name: string
  uid: string
  terminating: boolean
  /** It carries the label that guards it against deletion. */
  containsModules: boolean
  /** The Pod Security level that is enforced; empty for the cluster's default. */
  podSecurity: string
}

/** Trims a Namespace to its view. */
export function trimNamespace({ metadata = {}, status }: Namespace): NamespaceView {
  const { name = '', uid = '', labels = {}, deletionTimestamp } = metadata
  return {
    name,
    uid,
    terminating: deletionTimestamp !== undefined || status?.phase === 'Terminating',
    // The API server asks about namespaces with just this value.
    containsModules: labels[containsModulesLabel] === '',
    podSecurity: labels[podSecurityLabel] ?? '',
  }
}
