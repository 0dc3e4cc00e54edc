import type { ContainerState, ContainerStatus, Pod } from 'kubernetes-types/core/v1.js'
import { type ContainerView, type PodPhase, type PodView, terminalPhase, wantsRestart } from './pod-status.ts'

const phases: readonly PodPhase[] = ['Pending', 'Running', 'Succeeded', 'Failed']

/** How a container that ran before the node went down has ended; nobody saw it. */
function endOf(before: ContainerStatus, now: string): ContainerState | undefined {
  const { state = {}, lastState = {} } = before
  if (state.terminated) return { terminated: state.terminated }
  if (state.running)
    return {
      terminated: { exitCode: 255, reason: 'Unknown', startedAt: state.running.startedAt ?? now, finishedAt: now },
    }
  return lastState.terminated ? { terminated: lastState.terminated } : undefined
}

function resumeContainer(before: ContainerStatus | undefined, now: string): ContainerView {
  const end = before === undefined ? undefined : endOf(before, now)
  return {
    state: { waiting: { reason: 'ContainerCreating' } },
    lastState: end ?? {},
    restartCount: (before?.restartCount ?? 0) + (end === undefined ? 0 : 1),
    ready: false,
  }
}

/** A pod whose containers had ended for good before the node went down: only its phase may be missing. */
function concludedView(before: ContainerStatus, exitCode: number, startTime: string): PodView {
  const { state = {}, lastState = {}, restartCount } = before
  return {
    phase: terminalPhase(exitCode),
    initialized: true,
    container: { state, lastState, restartCount, ready: false },
    startTime,
  }
}

/**
 * What a kubelet makes of a pod that it finds: a new one is pending; one that ran when the node went down has a container
 * that ended unseen and is started again; one whose container had ended for good is over.
 */
export function resumeView(pod: Pod, now: string): PodView {
  const { phase, startTime = now, containerStatuses } = pod.status ?? {}
  const before = containerStatuses?.[0]
  const ended = before?.state?.terminated
  if (before !== undefined && ended !== undefined && !wantsRestart(pod, ended.exitCode))
    return concludedView(before, ended.exitCode, startTime)
  return {
    phase: phases.find((each) => each === phase) ?? 'Pending',
    initialized: phase === 'Running',
    container: resumeContainer(before, now),
    startTime,
  }
}
