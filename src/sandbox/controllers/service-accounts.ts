import type { StoreEvent } from '../apiserver/history.ts'
import type { ApiObject, GroupResource } from '../apiserver/object.ts'
import type { Store } from '../apiserver/store.ts'
import { configMaps, type Controller, namespaces, serviceAccounts } from './controller.ts'

const certificateMap = 'kube-root-ca.crt'
const certificateWords =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal ' +
  'service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

function ensure(store: Store, resource: GroupResource, object: ApiObject): void {
  const { namespace = '', name } = object.metadata
  const home = store.find(namespaces, { name: namespace })
  if (home === undefined || home.metadata.deletionTimestamp !== undefined) return
  if (store.find(resource, { namespace, name }) === undefined) store.create(resource, object)
}

/**
 * Gives each namespace its `default` service account and the ConfigMap with the cluster's certificate, and gives them
 * again when they are deleted. This happens within the write that calls for it, so that a client which creates a
 * namespace and then a pod finds the account.
 */
export function startServiceAccounts({ store, caCertificate }: { store: Store; caCertificate: string }): Controller {
  const furnish = (namespace: string): void => {
    const metadata = { name: 'default', namespace }
    ensure(store, serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
    ensure(store, configMaps, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: certificateMap, namespace, annotations: { 'kubernetes.io/description': certificateWords } },
      data: { 'ca.crt': caCertificate },
    })
  }
  const onContent =
    (name: string) =>
    ({ type, object }: StoreEvent): void => {
      if (type === 'DELETED' && object.metadata.name === name) furnish(object.metadata.namespace ?? '')
    }
  const ends = [
    store.subscribe(namespaces, ({ type, object }) => {
      if (type === 'ADDED') furnish(object.metadata.name)
    }),
    store.subscribe(serviceAccounts, onContent('default')),
    store.subscribe(configMaps, onContent(certificateMap)),
  ]
  for (const { metadata } of store.list(namespaces)) furnish(metadata.name)
  const stop = async (): Promise<void> => {
    for (const end of ends) end()
  }
  return { drained: async () => {}, stop }
}
