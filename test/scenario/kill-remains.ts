import { containsModulesLabel } from '../../src/api/labels.ts'
import { namespaces } from '../../src/kube/core-resources.ts'
import type { EmbeddedSandbox } from '../../src/sandbox/sandbox.ts'
import { type Cluster, micResource, moduleResource, nmcResource } from './cluster.ts'

const nodes = { group: '', plural: 'nodes' }
const serviceAccounts = { group: '', plural: 'serviceaccounts' }
const ofModule = [moduleResource, micResource, { group: 'apps', plural: 'daemonsets' }, { group: '', plural: 'pods' }]

/** What is left of the Modules of a namespace, there and on a node, once they are deleted; nothing is as it must be. */
export function listRemains({ sandbox }: Cluster<EmbeddedSandbox>, nodeName: string, namespace: string): string[] {
  const { store } = sandbox.api
  const labels = store.find(nodes, { name: nodeName })?.metadata.labels ?? {}
  const namespaceLabels = store.find(namespaces, { name: namespace })?.metadata.labels ?? {}
  const accounts = store.list(serviceAccounts, namespace).filter(({ metadata }) => metadata.name !== 'default')
  const objects = [
    ...ofModule.flatMap((resource) => store.list(resource, namespace)),
    ...accounts,
    ...store.list(nmcResource),
  ]
  return [
    ...objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ...Object.keys(labels).filter((key) => key.includes('kmm.node.kubernetes.io')),
    ...(namespaceLabels[containsModulesLabel] === undefined ? [] : ['the label of the namespace']),
  ]
}
