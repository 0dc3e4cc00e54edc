import type { ApiObject } from '../object.ts'
import { ageColumn, column, dig, digList, digText, nameColumn, orNone, wide, type Column } from './column.ts'

const rolePrefix = 'node-role.kubernetes.io/'

function formatRoles({ metadata }: ApiObject): string {
  const roles = Object.entries(metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(rolePrefix)) return [key.slice(rolePrefix.length)]
    return key === 'kubernetes.io/role' && value !== '' ? [value] : []
  })
  return orNone([...new Set(roles.filter((role) => role !== ''))].sort().join(','))
}

function formatStatus(node: ApiObject): string {
  const ready = digList(node, 'status', 'conditions').find((condition) => condition['type'] === 'Ready')
  const word = ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady'
  return dig(node, 'spec', 'unschedulable') === true ? `${word},SchedulingDisabled` : word
}

function findAddress(node: ApiObject, type: string): string {
  const address = digList(node, 'status', 'addresses').find((each) => each['type'] === type)
  return orNone(digText(address, 'address'))
}

const info =
  (field: string) =>
  (node: ApiObject): string =>
    digText(node, 'status', 'nodeInfo', field) || '<unknown>'

function kernelOf(node: ApiObject): string {
  const architecture = digText(node, 'status', 'nodeInfo', 'architecture')
  return info('kernelVersion')(node) + (architecture === '' ? '' : ` (${architecture})`)
}

/** The columns of nodes. */
export const nodeColumns: readonly Column[] = [
  nameColumn,
  column('Status', formatStatus),
  column('Roles', formatRoles),
  ageColumn,
  column('Version', (node) => digText(node, 'status', 'nodeInfo', 'kubeletVersion')),
  wide('Internal-IP', (node) => findAddress(node, 'InternalIP')),
  wide('External-IP', (node) => findAddress(node, 'ExternalIP')),
  wide('OS-Image', info('osImage')),
  wide('Kernel-Version', kernelOf),
  wide('Container-Runtime', info('containerRuntimeVersion')),
]
