import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
} from 'kubernetes-types/core/v1.js'

export type PodPhase = 'Pending' | 'Running' | 'Succeeded' | 'Failed'

/** One container as the kubelet sees it. */
export interface ContainerView {
  state: ContainerState
  lastState: ContainerState
  restartCount: number
  ready: boolean
}

/** A pod as the kubelet sees it; all containers of a pod share one fate, but for their names. */
export interface PodView {
  phase: PodPhase
  initialized: boolean
  container: ContainerView
  startTime: string
}

/** How a container ended. */
export interface Termination {
  exitCode: number
  reason: string
  message?: string
  signal?: number
  startedAt: string
  finishedAt: string
}

/** Time as the API writes it. */
export const formatTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z')

function containerStatus(pod: Pod, container: Container, view: ContainerView, runtimeId: string): ContainerStatus {
  const id = `sandbox://${pod.metadata?.uid ?? ''}/${container.name}/${view.restartCount}`
  const began = view.state.running !== undefined || view.state.terminated !== undefined
  const terminated = view.state.terminated
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: began ? `sandbox://${runtimeId}/${container.image ?? ''}` : '',
    ...(began ? { containerID: id } : {}),
    ready: view.ready,
    started: view.state.running !== undefined,
    restartCount: view.restartCount,
    state: terminated === undefined ? view.state : { terminated: { ...terminated, containerID: id } },
    lastState: view.lastState,
  }
}

function initStatus(pod: Pod, container: Container, view: PodView, runtimeId: string): ContainerStatus {
  const at = view.startTime
  const done = { terminated: { exitCode: 0, reason: 'Completed', startedAt: at, finishedAt: at } }
  const state: ContainerState = view.initialized ? done : { waiting: { reason: 'PodInitializing' } }
  const each = { state, lastState: {}, restartCount: 0, ready: view.initialized }
  return { ...containerStatus(pod, container, each, runtimeId), started: false }
}

function condition(
  before: readonly PodCondition[],
  now: string,
  next: Omit<PodCondition, 'lastTransitionTime'>,
): PodCondition {
  const old = before.find(({ type }) => type === next.type)
  const changed = old?.status !== next.status
  return { ...next, lastTransitionTime: changed ? now : (old?.lastTransitionTime ?? now) }
}

function readiness(pod: Pod, view: PodView): { status: string; reason?: string; message?: string } {
  if (view.container.ready) return { status: 'True' }
  if (view.phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' }
  if (view.phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const names = (pod.spec?.containers ?? []).map(({ name }) => name).join(' ')
  return { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` }
}

function conditions(pod: Pod, view: PodView, now: string): PodCondition[] {
  const before = pod.status?.conditions ?? []
  const ready = readiness(pod, view)
  const initialized = view.initialized
    ? { status: 'True' }
    : { status: 'False', reason: 'ContainersNotInitialized', message: 'containers with incomplete status' }
  return [
    condition(before, now, { type: 'PodScheduled', status: 'True' }),
    condition(before, now, { type: 'Initialized', ...initialized }),
    condition(before, now, { type: 'ContainersReady', ...ready }),
    condition(before, now, { type: 'Ready', ...ready }),
  ]
}

/** The status that a kubelet reports for a pod. `runtimeId` names the node's runtime, `now` is the present time. */
export function buildPodStatus(pod: Pod, view: PodView, runtimeId: string, now: string): PodStatus {
  const spec = pod.spec
  const inits = spec?.initContainers ?? []
  return {
    phase: view.phase,
    conditions: conditions(pod, view, now),
    startTime: view.startTime,
    hostIP: '127.0.0.1',
    ...(inits.length > 0 ? { initContainerStatuses: inits.map((each) => initStatus(pod, each, view, runtimeId)) } : {}),
    containerStatuses: (spec?.containers ?? []).map((each) => containerStatus(pod, each, view.container, runtimeId)),
  }
}

/** The phase of a pod whose containers have ended for good. */
export function terminalPhase(exitCode: number): PodPhase {
  return exitCode === 0 ? 'Succeeded' : 'Failed'
}

/** True for a phase that a pod never leaves. */
export function isTerminal(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

/** True when the restart policy wants the container again after it has ended so. */
export function wantsRestart(pod: Pod, exitCode: number): boolean {
  const policy = pod.spec?.restartPolicy ?? 'Always'
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}
