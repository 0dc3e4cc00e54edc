import type { Taint, Toleration } from 'kubernetes-types/core/v1.js'
import type { AdmissionPlugin, WriteRequest } from '../hooks.ts'
import type { ApiObject } from '../object.ts'
import { forbidden } from '../status-error.ts'
import type { Store } from '../store.ts'
import { isSameResource, nodes, pods, priorityClasses } from './known-resources.ts'
import type { Pod, PodSpec } from './pod-shape.ts'

const waitingTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
const waitSeconds = 300

function readSpec(request: WriteRequest): PodSpec | undefined {
  const isPod = isSameResource(request.resource, pods) && request.subresource === undefined
  return isPod ? (request.object as Pod | undefined)?.spec : undefined
}

function covers(toleration: Toleration, key: string): boolean {
  const hasKey = !toleration.key || toleration.key === key
  return hasKey && (!toleration.effect || toleration.effect === 'NoExecute')
}

/** Lets each pod stay for five minutes on a node that is not ready or unreachable, unless it says itself how long. */
export const defaultTolerations: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  phase: 'mutating',
  admit: (request) => {
    const spec = readSpec(request)
    if (spec === undefined || request.operation === 'DELETE') return
    const tolerations = spec.tolerations ?? []
    const missing = waitingTaints.filter((key) => !tolerations.some((toleration) => covers(toleration, key)))
    if (missing.length === 0) return
    const added = missing.map((key) => ({
      key,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: waitSeconds,
    }))
    spec.tolerations = [...tolerations, ...added]
  },
}

interface PriorityClass extends ApiObject {
  value: number
  preemptionPolicy?: string
  globalDefault?: boolean
}

/** The classes that every cluster has. */
const systemClasses: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
}

interface Priority {
  name: string
  value: number
  preemptionPolicy?: string | undefined
}

function resolvePriority(store: Store, request: WriteRequest, name: string): Priority {
  const stored = store.resource(priorityClasses) === undefined ? [] : (store.list(priorityClasses) as PriorityClass[])
  const found = stored.find((each) => (name === '' ? each.globalDefault === true : each.metadata.name === name))
  if (found !== undefined)
    return { name: found.metadata.name, value: found.value, preemptionPolicy: found.preemptionPolicy }
  const value = systemClasses[name]
  if (value === undefined && name !== '')
    throw forbidden(request.resource, request.name, `no PriorityClass with name ${name} was found`)
  return { name, value: value ?? 0 }
}

function keepPriority(spec: PodSpec, old: PodSpec | undefined): void {
  if (spec.priority === undefined && old?.priority !== undefined) spec.priority = old.priority
  if (spec.preemptionPolicy === undefined && old?.preemptionPolicy !== undefined)
    spec.preemptionPolicy = old.preemptionPolicy
}

function setPriority(spec: PodSpec, priority: Priority, request: WriteRequest): void {
  if (spec.priority !== undefined && spec.priority !== priority.value) {
    const why = `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority.value} from the given PriorityClass name`
    throw forbidden(request.resource, request.name, why)
  }
  if (priority.name !== '') spec.priorityClassName = priority.name
  spec.priority = priority.value
  spec.preemptionPolicy = priority.preemptionPolicy ?? 'PreemptLowerPriority'
}

/** Turns a pod's priority class into its priority, and refuses a class that does not exist. */
export function createPriorityAdmission(store: Store): AdmissionPlugin {
  const admit = (request: WriteRequest): void => {
    const spec = readSpec(request)
    if (spec === undefined) return
    if (request.operation === 'UPDATE') keepPriority(spec, (request.oldObject as Pod | undefined)?.spec)
    else if (request.operation === 'CREATE')
      setPriority(spec, resolvePriority(store, request, spec.priorityClassName ?? ''), request)
  }
  return { name: 'Priority', phase: 'mutating', admit }
}

interface Node extends ApiObject {
  spec?: { taints?: Taint[] }
}

/** Taints each new node as not ready, until the node lifecycle controller sees that it is. */
export const nodeTaint: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  phase: 'mutating',
  admit: (request) => {
    if (request.operation !== 'CREATE' || !isSameResource(request.resource, nodes) || request.subresource !== undefined)
      return
    const node = request.object as Node
    const taint = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }
    const taints = node.spec?.taints ?? []
    if (taints.some(({ key, effect }) => key === taint.key && effect === taint.effect)) return
    node.spec = { ...node.spec, taints: [...taints, taint] }
  },
}
