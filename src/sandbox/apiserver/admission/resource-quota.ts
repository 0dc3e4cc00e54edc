import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import { type ApiObject, formatGroupResource, type GroupResource, isRecord } from '../object.ts'
import { forbidden, notImitated } from '../status-error.ts'
import type { Store } from '../store.ts'
import { isSameResource, pods, resourceQuotas } from './known-resources.ts'
import type { Pod } from './pod-shape.ts'

/** A quota as the server stores it. */
export interface ResourceQuota extends ApiObject {
  spec?: { hard?: Record<string, string | number>; scopes?: string[]; scopeSelector?: unknown }
  status?: { hard?: Record<string, string>; used?: Record<string, string> }
}

/** The core kinds that a quota may also count by their plain name. */
const plainlyCounted = ['pods', 'services', 'secrets', 'configmaps', 'persistentvolumeclaims', 'resourcequotas']

/** The names under which a quota counts a kind: `count/pods` and `pods`. */
function listCounters(resource: GroupResource): string[] {
  const plain = resource.group === '' && plainlyCounted.includes(resource.plural) ? [resource.plural] : []
  return [`count/${formatGroupResource(resource)}`, ...plain]
}

/** The kind that a quota's entry counts; undefined for what the sandbox does not measure, such as cpu. */
function readCounter(counter: string): GroupResource | undefined {
  const name = plainlyCounted.includes(counter) ? counter : /^count\/(.+)$/.exec(counter)?.[1]
  if (name === undefined) return undefined
  const [plural = '', ...group] = name.split('.')
  return { plural, group: group.join('.') }
}

function isFinished(pod: ApiObject): boolean {
  const phase = (pod as Pod).status?.phase
  return phase === 'Succeeded' || phase === 'Failed'
}

/** How many objects of a namespace count against a quota's entry; `pods` leaves out those that have finished. */
export function countUsed(store: Store, namespace: string, counter: string): number {
  const resource = readCounter(counter)
  if (resource === undefined || store.resource(resource) === undefined) return 0
  const objects = store.list(resource, namespace)
  return counter === 'pods' ? objects.filter((pod) => !isFinished(pod)).length : objects.length
}

function refuseUnmeasured(quota: ResourceQuota): void {
  if (quota.spec?.scopes !== undefined || quota.spec?.scopeSelector !== undefined)
    throw notImitated('scopes of a ResourceQuota')
  const unknown = Object.keys(quota.spec?.hard ?? {}).find((counter) => readCounter(counter) === undefined)
  if (unknown !== undefined) throw notImitated(`a ResourceQuota of ${unknown}`)
}

function formatUsage(usage: readonly (readonly [counter: string, amount: number])[]): string {
  return usage.map(([counter, amount]) => `${counter}=${amount}`).join(',')
}

function checkQuota(store: Store, quota: ResourceQuota, request: WriteRequest, namespace: string): void {
  const hard = quota.spec?.hard ?? {}
  const counters = listCounters(request.resource).filter((counter) => Object.hasOwn(hard, counter))
  const used = (counter: string): number => countUsed(store, namespace, counter)
  const exceeded = counters.filter((counter) => used(counter) + 1 > Number(hard[counter])).sort()
  if (exceeded.length === 0) return
  const list = (amount: (counter: string) => number): string =>
    formatUsage(exceeded.map((counter) => [counter, amount(counter)] as const))
  const why = `exceeded quota: ${quota.metadata.name}, requested: ${list(() => 1)}, used: ${list(used)}, limited: ${list((counter) => Number(hard[counter]))}`
  throw forbidden(request.resource, request.name, why)
}

/** True for a new object of which quotas take account; a pod that has finished is none. */
function isCounted(request: WriteRequest): boolean {
  if (request.operation !== 'CREATE' || request.namespace === undefined || request.object === undefined) return false
  return !isSameResource(request.resource, pods) || !isFinished(request.object)
}

/** Refuses an object that a quota of its namespace leaves no room for. Counts what is stored, so it is never behind. */
export function createResourceQuotaAdmission(store: Store): AdmissionPlugin {
  const admit = (request: WriteRequest): void => {
    if (request.subresource !== undefined || store.resource(resourceQuotas) === undefined) return
    if (isSameResource(request.resource, resourceQuotas) && isRecord(request.object))
      refuseUnmeasured(request.object as ResourceQuota)
    if (!isCounted(request)) return
    const namespace = request.namespace ?? ''
    for (const quota of store.list(resourceQuotas, namespace) as ResourceQuota[])
      checkQuota(store, quota, request, namespace)
  }
  return { name: 'ResourceQuota', phase: 'validating', admit }
}
