import type { ValidatingWebhookConfiguration } from 'kubernetes-types/admissionregistration/v1.js'
import type { CustomResourceDefinition } from 'kubernetes-types/apiextensions/v1.js'
import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Lease } from 'kubernetes-types/coordination/v1.js'
import type {
  ConfigMap,
  Event as CoreEvent,
  Namespace,
  Node,
  Pod,
  Secret,
  ServiceAccount,
} from 'kubernetes-types/core/v1.js'
import { defineResource } from './resource.ts'

const core = { group: '', version: 'v1' } as const

export const nodes = defineResource<Node>({ ...core, kind: 'Node', plural: 'nodes', namespaced: false })
export const namespaces = defineResource<Namespace>({
  ...core,
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
})
export const pods = defineResource<Pod>({ ...core, kind: 'Pod', plural: 'pods', namespaced: true })
export const secrets = defineResource<Secret>({ ...core, kind: 'Secret', plural: 'secrets', namespaced: true })
export const configMaps = defineResource<ConfigMap>({
  ...core,
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
})
export const serviceAccounts = defineResource<ServiceAccount>({
  ...core,
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
})
export const events = defineResource<CoreEvent>({ ...core, kind: 'Event', plural: 'events', namespaced: true })
export const leases = defineResource<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
})
export const daemonSets = defineResource<DaemonSet>({
  group: 'apps',
  version: 'v1',
  kind: 'DaemonSet',
  plural: 'daemonsets',
  namespaced: true,
})
export const customResourceDefinitions = defineResource<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
})
export const validatingWebhookConfigurations = defineResource<ValidatingWebhookConfiguration>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  namespaced: false,
})
