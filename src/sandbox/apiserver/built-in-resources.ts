import type { ApiResource } from './hooks.ts'

interface Options {
  short?: string[]
  categories?: string[]
  cluster?: boolean
  status?: boolean
  subresources?: string[]
  singular?: string
}

function declare(group: string, kind: string, plural: string, options: Options = {}): ApiResource {
  return {
    group,
    version: 'v1',
    kind,
    plural,
    namespaced: options.cluster !== true,
    singular: options.singular ?? kind.toLowerCase(),
    shortNames: options.short ?? [],
    categories: options.categories ?? [],
    custom: false,
    hasStatus: options.status === true,
    subresources: options.subresources ?? [],
  }
}

const cluster = true
const status = true
const all = ['all']
const rbac = 'rbac.authorization.k8s.io'

/** The kinds that the sandbox's API server keeps without a CustomResourceDefinition. */
export const builtInResources: readonly ApiResource[] = [
  declare('', 'ConfigMap', 'configmaps', { short: ['cm'] }),
  declare('', 'Event', 'events', { short: ['ev'] }),
  declare('', 'LimitRange', 'limitranges', { short: ['limits'] }),
  declare('', 'Namespace', 'namespaces', { short: ['ns'], cluster, status, subresources: ['finalize'] }),
  declare('', 'Node', 'nodes', { short: ['no'], cluster, status }),
  declare('', 'Pod', 'pods', {
    short: ['po'],
    categories: all,
    status,
    subresources: ['binding', 'eviction', 'log'],
  }),
  declare('', 'ResourceQuota', 'resourcequotas', { short: ['quota'], status }),
  declare('', 'Secret', 'secrets'),
  declare('', 'ServiceAccount', 'serviceaccounts', { short: ['sa'] }),
  declare('admissionregistration.k8s.io', 'ValidatingWebhookConfiguration', 'validatingwebhookconfigurations', {
    cluster,
    categories: ['api-extensions'],
  }),
  declare('apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions', {
    short: ['crd', 'crds'],
    categories: ['api-extensions'],
    cluster,
    status,
  }),
  declare('apps', 'ControllerRevision', 'controllerrevisions'),
  declare('apps', 'DaemonSet', 'daemonsets', { short: ['ds'], categories: all, status }),
  declare('apps', 'Deployment', 'deployments', { short: ['deploy'], categories: all, status }),
  declare('coordination.k8s.io', 'Lease', 'leases'),
  declare('events.k8s.io', 'Event', 'events', { short: ['ev'] }),
  declare(rbac, 'ClusterRole', 'clusterroles', { cluster }),
  declare(rbac, 'ClusterRoleBinding', 'clusterrolebindings', { cluster }),
  declare(rbac, 'Role', 'roles'),
  declare(rbac, 'RoleBinding', 'rolebindings'),
  declare('resource.k8s.io', 'DeviceClass', 'deviceclasses', { cluster }),
  declare('scheduling.k8s.io', 'PriorityClass', 'priorityclasses', { short: ['pc'], cluster }),
]

/** Since which minor version of Kubernetes 1 a built-in kind is served, where that is later than what the sandbox can be. */
export const servedSince: Readonly<Record<string, number>> = { 'resource.k8s.io/v1/deviceclasses': 34 }

/**
 * Resources of a real cluster that the sandbox answers with 501 instead of 404, so that nobody takes their absence for
 * a cluster that was built without them. By group; `*` is the whole group.
 */
export const notImitatedResources: Readonly<Record<string, readonly string[]>> = {
  '': [
    'bindings',
    'componentstatuses',
    'endpoints',
    'persistentvolumeclaims',
    'persistentvolumes',
    'podtemplates',
    'replicationcontrollers',
    'services',
  ],
  'admissionregistration.k8s.io': ['*'],
  'apiregistration.k8s.io': ['*'],
  apps: ['*'],
  'authentication.k8s.io': ['*'],
  'authorization.k8s.io': ['*'],
  autoscaling: ['*'],
  batch: ['*'],
  'certificates.k8s.io': ['*'],
  'discovery.k8s.io': ['*'],
  'flowcontrol.apiserver.k8s.io': ['*'],
  'networking.k8s.io': ['*'],
  'node.k8s.io': ['*'],
  policy: ['*'],
  'resource.k8s.io': ['*'],
  'storage.k8s.io': ['*'],
}
