import { isRecord, type ApiObject } from '../object.ts'
import {
  ageColumn,
  column,
  createdColumn,
  dig,
  digList,
  digNumber,
  digSize,
  digText,
  formatLabels,
  formatSelector,
  nameColumn,
  orNone,
  wide,
  type Column,
} from './column.ts'
import { eventColumns } from './event.ts'
import { nodeColumns } from './node.ts'
import { podColumns } from './pod.ts'

const status = (name: string, field: string): Column =>
  column(name, (object) => digNumber(object, 'status', field), 'integer')

const listContainers = (object: ApiObject, field: string): string =>
  digList(object, 'spec', 'template', 'spec', 'containers')
    .map((container) => digText(container, field))
    .join(',')

const templateColumns: readonly Column[] = [
  wide('Containers', (object) => listContainers(object, 'name')),
  wide('Images', (object) => listContainers(object, 'image')),
  wide('Selector', (object) => formatSelector(dig(object, 'spec', 'selector'))),
]

const daemonSetColumns: readonly Column[] = [
  nameColumn,
  status('Desired', 'desiredNumberScheduled'),
  status('Current', 'currentNumberScheduled'),
  status('Ready', 'numberReady'),
  status('Up-to-date', 'updatedNumberScheduled'),
  status('Available', 'numberAvailable'),
  column('Node Selector', (object) => formatLabels(dig(object, 'spec', 'template', 'spec', 'nodeSelector'))),
  ageColumn,
  ...templateColumns,
]

const deploymentColumns: readonly Column[] = [
  nameColumn,
  column(
    'Ready',
    (object) => `${digNumber(object, 'status', 'readyReplicas')}/${digNumber(object, 'spec', 'replicas')}`,
  ),
  status('Up-to-date', 'updatedReplicas'),
  status('Available', 'availableReplicas'),
  ageColumn,
  ...templateColumns,
]

const subjects = (kind: string) => (object: ApiObject) =>
  digList(object, 'subjects')
    .filter((subject) => subject['kind'] === kind)
    .map((subject) => [digText(subject, 'namespace'), digText(subject, 'name')].filter((part) => part !== '').join('/'))
    .join(', ')

const bindingColumns: readonly Column[] = [
  nameColumn,
  column('Role', (object) => `${digText(object, 'roleRef', 'kind')}/${digText(object, 'roleRef', 'name')}`),
  ageColumn,
  wide('Users', subjects('User')),
  wide('Groups', subjects('Group')),
  wide('ServiceAccounts', subjects('ServiceAccount')),
]

function formatQuota(quota: ApiObject, isLimit: boolean): string {
  const hard = dig(quota, 'status', 'hard')
  return Object.entries(isRecord(hard) ? hard : {})
    .filter(([name]) => name.startsWith('limits.') === isLimit)
    .map(([name, amount]) => `${name}: ${digText(quota, 'status', 'used', name)}/${String(amount as string)}`)
    .sort()
    .join(', ')
}

function formatController({ metadata }: ApiObject): string {
  const owner = metadata.ownerReferences?.find((reference) => reference.controller === true)
  return owner ? `${owner.kind.toLowerCase()}/${owner.name}` : '<none>'
}

/** Columns by group and plural name; other built-in kinds show name and age. */
export const builtInColumns: Readonly<Record<string, readonly Column[]>> = {
  pods: podColumns,
  nodes: nodeColumns,
  events: eventColumns,
  namespaces: [nameColumn, column('Status', (object) => digText(object, 'status', 'phase')), ageColumn],
  secrets: [
    nameColumn,
    column('Type', (object) => digText(object, 'type')),
    column('Data', (object) => digSize(object, 'data')),
    ageColumn,
  ],
  configmaps: [
    nameColumn,
    column('Data', (object) => digSize(object, 'data') + digSize(object, 'binaryData')),
    ageColumn,
  ],
  serviceaccounts: [nameColumn, ageColumn],
  resourcequotas: [
    nameColumn,
    column('Request', (object) => formatQuota(object, false)),
    column('Limit', (object) => formatQuota(object, true)),
    ageColumn,
  ],
  limitranges: [nameColumn, createdColumn],
  'daemonsets.apps': daemonSetColumns,
  'deployments.apps': deploymentColumns,
  'controllerrevisions.apps': [
    nameColumn,
    column('Controller', formatController),
    column('Revision', (object) => digNumber(object, 'revision'), 'integer'),
    ageColumn,
  ],
  'leases.coordination.k8s.io': [
    nameColumn,
    column('Holder', (object) => orNone(digText(object, 'spec', 'holderIdentity'))),
    ageColumn,
  ],
  'customresourcedefinitions.apiextensions.k8s.io': [nameColumn, createdColumn],
  'validatingwebhookconfigurations.admissionregistration.k8s.io': [
    nameColumn,
    column('Webhooks', (object) => digList(object, 'webhooks').length, 'integer'),
    ageColumn,
  ],
  'priorityclasses.scheduling.k8s.io': [
    nameColumn,
    column('Value', (object) => digNumber(object, 'value'), 'integer'),
    column('Global-Default', (object) => dig(object, 'globalDefault') === true, 'boolean'),
    ageColumn,
    column('PreemptionPolicy', (object) => digText(object, 'preemptionPolicy') || 'PreemptLowerPriority'),
  ],
  'clusterroles.rbac.authorization.k8s.io': [nameColumn, createdColumn],
  'roles.rbac.authorization.k8s.io': [nameColumn, createdColumn],
  'clusterrolebindings.rbac.authorization.k8s.io': bindingColumns,
  'rolebindings.rbac.authorization.k8s.io': bindingColumns,
}
