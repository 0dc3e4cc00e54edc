import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import { forbidden, notFound } from '../status-error.ts'
import type { Store } from '../store.ts'
import { isSameResource, namespaces } from './known-resources.ts'

const immortal = ['default', 'kube-system', 'kube-public']

function refuseCreation(request: WriteRequest, namespace: string): never {
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  const error = forbidden(request.resource, request.name, why)
  const cause = {
    reason: 'NamespaceTerminating',
    message: `namespace ${namespace} is being terminated`,
    field: 'metadata.namespace',
  }
  if (error.details !== undefined) error.details.causes = [cause]
  throw error
}

/** Refuses writes into namespaces that do not exist, creations in those that are going, and the loss of the standard three. */
export function createNamespaceLifecycle(store: Store): AdmissionPlugin {
  const admit = (request: WriteRequest): void => {
    const { operation, namespace } = request
    if (isSameResource(request.resource, namespaces)) {
      if (operation === 'DELETE' && immortal.includes(request.name))
        throw forbidden(namespaces, request.name, 'this namespace may not be deleted')
      return
    }
    if (namespace === undefined || operation === 'DELETE') return
    const found = store.find(namespaces, { name: namespace })
    if (found === undefined) throw notFound(namespaces, namespace)
    if (operation === 'CREATE' && found.metadata.deletionTimestamp !== undefined) refuseCreation(request, namespace)
  }
  return { name: 'NamespaceLifecycle', phase: 'mutating', admit }
}
