import type { GroupResource } from '../object.ts'

/** The built-in kinds that admission plugins read from the store. */
export const namespaces: GroupResource = { group: '', plural: 'namespaces' }
export const pods: GroupResource = { group: '', plural: 'pods' }
export const nodes: GroupResource = { group: '', plural: 'nodes' }
export const serviceAccounts: GroupResource = { group: '', plural: 'serviceaccounts' }
export const resourceQuotas: GroupResource = { group: '', plural: 'resourcequotas' }
export const priorityClasses: GroupResource = { group: 'scheduling.k8s.io', plural: 'priorityclasses' }
export const validatingWebhooks: GroupResource = {
  group: 'admissionregistration.k8s.io',
  plural: 'validatingwebhookconfigurations',
}

/** True when two names stand for one kind. */
export function isSameResource(a: GroupResource, b: GroupResource): boolean {
  return a.plural === b.plural && a.group === b.group
}
