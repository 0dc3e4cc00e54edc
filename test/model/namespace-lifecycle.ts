import type { KubeObject } from '../../src/kube/object.ts'
import { forbidden, notFound } from '../../src/sandbox/apiserver/status-error.ts'
import type { Store } from '../../src/sandbox/apiserver/store.ts'
import { namespaces } from '../../src/sandbox/controllers/controller.ts'

/** Admission of the real server: nothing new comes into a namespace that is going or gone. */
export function refuseWithoutNamespace(store: Store, { metadata }: KubeObject): void {
  const { namespace, name = '' } = metadata ?? {}
  if (namespace === undefined) return
  const found = store.find(namespaces, { name: namespace })
  if (found === undefined) throw notFound(namespaces, namespace)
  if (found.metadata.deletionTimestamp === undefined) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw forbidden({ group: '', plural: 'objects' }, name, why)
}
