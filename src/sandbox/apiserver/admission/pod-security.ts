import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import { forbidden, invalid as invalidObject } from '../status-error.ts'
import type { Store } from '../store.ts'
import { invalid } from '../validation/field-error.ts'
import { isSameResource, namespaces, pods } from './known-resources.ts'
import {
  compareLevels,
  describeViolations,
  findViolations,
  formatLevelVersion,
  type LevelVersion,
  readPolicy,
} from './pod-security-policy.ts'
import type { Pod, PodTemplate } from './pod-shape.ts'

interface Workload extends ApiObject {
  spec?: { template?: PodTemplate; jobTemplate?: { spec?: { template?: PodTemplate } } }
}

const workloads = ['deployments', 'daemonsets', 'statefulsets', 'replicasets', 'jobs', 'cronjobs']
const ignoredSubresources = ['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status']

const listImages = (pod: Pod | undefined): string =>
  JSON.stringify([pod?.spec?.initContainers, pod?.spec?.containers].map((list) => list?.map(({ image }) => image)))

/** Warns, or refuses when `enforce` is set, according to the policy of the pod's namespace. */
function evaluate(store: Store, request: WriteRequest, template: PodTemplate, enforce: boolean): void {
  const namespace = store.find(namespaces, { name: request.namespace ?? '' })
  const { policy } = readPolicy(namespace?.metadata.labels ?? {})
  const explain = (mode: LevelVersion): string => describeViolations(findViolations(mode.level, template))
  const refused = enforce ? explain(policy.enforce) : ''
  if (refused !== '') {
    const why = `violates PodSecurity "${formatLevelVersion(policy.enforce)}": ${refused}`
    throw forbidden(request.resource, request.name, why)
  }
  const warned = explain(policy.warn)
  if (warned !== '') request.warn(`would violate PodSecurity "${formatLevelVersion(policy.warn)}": ${warned}`)
}

function admitPod(store: Store, request: WriteRequest): void {
  if (request.subresource !== undefined && ignoredSubresources.includes(request.subresource)) return
  const pod = request.object as Pod
  if (request.operation === 'UPDATE' && listImages(pod) === listImages(request.oldObject as Pod)) return
  evaluate(store, request, pod, true)
}

function admitWorkload(store: Store, request: WriteRequest): void {
  const { template, jobTemplate } = (request.object as Workload).spec ?? {}
  const pod = template ?? jobTemplate?.spec?.template
  if (pod !== undefined && request.subresource === undefined) evaluate(store, request, pod, false)
}

/** The warnings about pods that a stricter level would not let in again: one for each set of reasons. */
function warnAboutPods(store: Store, request: WriteRequest, enforce: LevelVersion): void {
  const groups = new Map<string, string[]>()
  for (const pod of store.list(pods, request.name) as Pod[]) {
    const reasons = findViolations(enforce.level, pod)
      .map((violation) => violation.reason)
      .join(', ')
    if (reasons !== '') groups.set(reasons, [...(groups.get(reasons) ?? []), pod.metadata.name])
  }
  if (groups.size === 0) return
  const level = formatLevelVersion(enforce)
  request.warn(`existing pods in namespace "${request.name}" violate the new PodSecurity enforce level "${level}"`)
  const lines = [...groups].map(([reasons, names]) => `${namePods(names)}: ${reasons}`)
  for (const line of lines.sort()) request.warn(line)
}

function namePods(names: readonly string[]): string {
  const [first = ''] = [...names].sort()
  const others = names.length - 1
  if (others === 0) return first
  return others === 1 ? `${first} (and 1 other pod)` : `${first} (and ${others} other pods)`
}

type Reading = ReturnType<typeof readPolicy>

function refuseBadLabels(request: WriteRequest, now: Reading, before: Reading): void {
  if (now.errors.length === 0 || JSON.stringify(now.errors) === JSON.stringify(before.errors)) return
  const causes = now.errors.map(({ label, value, detail }) => invalid(`metadata.labels[${label}]`, value, detail))
  throw invalidObject(request.resource, request.name, causes)
}

function isStricter(now: LevelVersion, before: LevelVersion): boolean {
  if (now.level === 'privileged') return false
  return compareLevels(now.level, before.level) > 0 || now.version !== before.version
}

function admitNamespace(store: Store, request: WriteRequest): void {
  if (request.subresource !== undefined) return
  const now = readPolicy(request.object?.metadata.labels ?? {})
  const before = readPolicy(request.oldObject?.metadata.labels ?? {})
  refuseBadLabels(request, now, before)
  if (request.operation === 'UPDATE' && isStricter(now.policy.enforce, before.policy.enforce))
    warnAboutPods(store, request, now.policy.enforce)
}

/**
 * Pod Security by the namespace's labels. Every version of a level is checked as `latest`; audit labels are validated
 * and have no further effect, because the sandbox keeps no audit log.
 */
export function createPodSecurity(store: Store): AdmissionPlugin {
  const admit = (request: WriteRequest): void => {
    if (request.operation === 'DELETE' || request.object === undefined) return
    if (isSameResource(request.resource, namespaces)) admitNamespace(store, request)
    else if (isSameResource(request.resource, pods)) admitPod(store, request)
    else if (workloads.includes(request.resource.plural)) admitWorkload(store, request)
  }
  return { name: 'PodSecurity', phase: 'validating', admit }
}
