import type { KubeObject } from '../kube/object.ts'
import { containsModulesLabel } from '../api/labels.ts'

/** Why a namespace may not be deleted; undefined when it may. The operator labels those that hold a Module (upstream). */
export function refuseNamespaceDeletion(namespace: KubeObject): string | undefined {
  const { name = '', labels = {} } = namespace.metadata ?? {}
  if (!Object.hasOwn(labels, containsModulesLabel)) return undefined
  return `namespace ${name} holds Modules: their kernel modules can be unloaded only while it is there. Delete them first (kubectl delete modules.kmm.sigs.x-k8s.io --all -n ${name}), wait until they are gone, and delete it again`
}
