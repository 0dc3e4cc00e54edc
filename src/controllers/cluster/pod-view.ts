import type { ContainerState, ContainerStatus, Pod, PodCondition } from 'kubernetes-types/core/v1.js'
import { getKernelModuleReadyNodeLabel, moduleNameLabel, roleLabel, workerActionLabel } from '../../api/labels.ts'

/** What is known of a pod's only container, or its first. */
export interface ContainerView {
  image: string
  restartCount: number
  ready: boolean
  state: ContainerStateView
  last: ContainerStateView
}

export type ContainerStateView =
  | { kind: 'none' }
  | { kind: 'waiting'; reason: string; message: string }
  | { kind: 'running'; startedAt: string }
  | { kind: 'terminated'; exitCode: number; reason: string; message: string; finishedAt: string }

/** What the rules use of a pod that carries KMM's labels. */
export interface PodView {
  namespace: string
  name: string
  uid: string
  nodeName: string
  labels: Readonly<Record<string, string>>
  /** Only KMM's own annotations. */
  annotations: Readonly<Record<string, string>>
  finalizers: readonly string[]
  ownerUids: readonly string[]
  ownerKinds: readonly string[]
  phase: string
  reason: string
  message: string
  /** Why the scheduler finds no node for it; empty where it has one, or has not been looked at. */
  unschedulable: string
  /** When its phase became final; empty before. */
  endedAt: string
  ready: boolean
  deleting: boolean
  /** When its grace period ends, where it is being deleted; empty elsewhere. */
  deletedAt: string
  createdAt: string
  serviceAccountName: string
  firstPullSecret: string
  /** False where its node selector does not ask for the ready label of its Module: it runs with the module and without. */
  needsModule: boolean
  container: ContainerView
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function trimState(state: ContainerState | undefined): ContainerStateView {
  if (state?.terminated) {
    const { exitCode, reason, message, finishedAt } = state.terminated
    return {
      kind: 'terminated',
      exitCode,
      reason: textOf(reason),
      message: textOf(message),
      finishedAt: textOf(finishedAt),
    }
  }
  if (state?.running) return { kind: 'running', startedAt: textOf(state.running.startedAt) }
  if (state?.waiting)
    return { kind: 'waiting', reason: textOf(state.waiting.reason), message: textOf(state.waiting.message) }
  return { kind: 'none' }
}

function trimContainer(image: string, status: ContainerStatus | undefined): ContainerView {
  return {
    image,
    restartCount: status?.restartCount ?? 0,
    ready: status?.ready ?? false,
    state: trimState(status?.state),
    last: trimState(status?.lastState),
  }
}

const annotationPrefix = 'kmm.node.kubernetes.io/'

const pickOwn = (annotations: Record<string, string> | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations ?? {}).filter(([key]) => key.startsWith(annotationPrefix)))

function trimIdentity(
  pod: Pod,
): Pick<
  PodView,
  | 'namespace'
  | 'name'
  | 'uid'
  | 'labels'
  | 'annotations'
  | 'finalizers'
  | 'ownerUids'
  | 'ownerKinds'
  | 'deleting'
  | 'deletedAt'
  | 'createdAt'
> {
  const metadata = pod.metadata ?? {}
  const owners = metadata.ownerReferences ?? []
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? {},
    annotations: pickOwn(metadata.annotations),
    finalizers: metadata.finalizers ?? [],
    ownerUids: owners.map((owner) => owner.uid),
    ownerKinds: owners.map((owner) => owner.kind),
    deleting: metadata.deletionTimestamp !== undefined,
    deletedAt: String(metadata.deletionTimestamp ?? ''),
    createdAt: String(metadata.creationTimestamp ?? ''),
  }
}

type StatusView = Pick<PodView, 'phase' | 'reason' | 'message' | 'unschedulable' | 'endedAt' | 'ready'>

/** A pod has no time of its end, but its conditions change with it, and never afterwards. */
function findEnd(conditions: readonly PodCondition[]): string {
  return conditions.map(({ lastTransitionTime }) => textOf(lastTransitionTime)).reduce((a, b) => (a > b ? a : b), '')
}

function trimStatus({ status = {} }: Pod): StatusView {
  const { phase = 'Pending', conditions = [] } = status
  const scheduled = conditions.find(({ type }) => type === 'PodScheduled')
  return {
    phase,
    reason: textOf(status.reason),
    message: textOf(status.message),
    unschedulable: scheduled?.status === 'False' ? textOf(scheduled.message) : '',
    endedAt: phase === 'Succeeded' || phase === 'Failed' ? findEnd(conditions) : '',
    ready: conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
  }
}

function trimSpec({ spec }: Pod): Pick<PodView, 'nodeName' | 'serviceAccountName' | 'firstPullSecret'> {
  return {
    nodeName: textOf(spec?.nodeName),
    serviceAccountName: textOf(spec?.serviceAccountName),
    firstPullSecret: textOf(spec?.imagePullSecrets?.[0]?.name),
  }
}

function needsModule({ metadata, spec }: Pod): boolean {
  const label = getKernelModuleReadyNodeLabel(metadata?.namespace ?? '', metadata?.labels?.[moduleNameLabel] ?? '')
  return spec?.nodeSelector === undefined || label in spec.nodeSelector
}

/** Trims a pod to its view. */
export function trimPod(pod: Pod): PodView {
  const container = pod.spec?.containers[0]
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container?.name)
  return {
    ...trimIdentity(pod),
    ...trimSpec(pod),
    ...trimStatus(pod),
    needsModule: needsModule(pod),
    container: trimContainer(textOf(container?.image), status),
  }
}

/** True for a pod that loads or unloads a module. */
export const isWorkerPod = (pod: PodView): boolean => pod.labels[workerActionLabel] !== undefined

/** True for a pod of a device plugin or DRA DaemonSet. */
export const isPluginPod = (pod: PodView): boolean =>
  pod.labels[moduleNameLabel] !== undefined &&
  pod.labels[workerActionLabel] === undefined &&
  (pod.labels[roleLabel] === 'dra' || pod.ownerKinds.includes('DaemonSet'))
