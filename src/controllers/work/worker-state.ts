import { parseWorkerReport, type WorkerReport } from '../../api/worker-report.ts'
import type { ContainerStateView, PodView } from '../cluster/pod-view.ts'

/** One attempt of a worker that failed. */
export interface FailedAttempt {
  attempt: number
  report?: WorkerReport
  exitCode: number
  /** What the kubelet says of the end: `Error`, `OOMKilled`, … */
  exitReason: string
  /** The termination message, whatever it is. */
  text: string
}

/** How far a worker pod is, read from its container's status: seconds earlier than its phase tells. */
export type WorkerState =
  | { kind: 'pending'; reason: string; message: string; started: boolean; failed?: FailedAttempt }
  | { kind: 'running'; failed?: FailedAttempt }
  | { kind: 'succeeded'; report?: WorkerReport }
  | { kind: 'failed'; failed: FailedAttempt }
  /** Ended without a result: evicted, or its node went down. It will not run again. */
  | { kind: 'lost'; message: string; started: boolean }

type Terminated = Extract<ContainerStateView, { kind: 'terminated' }>

function describeFailure(state: Terminated, attempt: number): FailedAttempt {
  const report = parseWorkerReport(state.message)
  return {
    attempt,
    ...(report === undefined ? {} : { report }),
    exitCode: state.exitCode,
    exitReason: state.reason,
    text: state.message,
  }
}

function readTerminated(state: Terminated, pod: PodView): WorkerState {
  const { restartCount } = pod.container
  if (state.exitCode !== 0) {
    if (pod.phase === 'Failed' && parseWorkerReport(state.message) === undefined)
      return { kind: 'lost', message: pod.message || state.message || state.reason, started: true }
    return { kind: 'failed', failed: describeFailure(state, restartCount + 1) }
  }
  const report = parseWorkerReport(state.message)
  return report === undefined ? { kind: 'succeeded' } : { kind: 'succeeded', report }
}

/** Reads the state of a worker pod; the last finished attempt counts, from `state` or `lastState`. */
export function readWorkerState(pod: PodView): WorkerState {
  const { state, last, restartCount } = pod.container
  if (state.kind === 'terminated') return readTerminated(state, pod)
  if (pod.phase === 'Succeeded') return { kind: 'succeeded' }
  const started = last.kind === 'terminated' || restartCount > 0
  if (pod.phase === 'Failed') return { kind: 'lost', message: `${pod.reason} ${pod.message}`.trim(), started }
  if (state.kind === 'running') {
    if (last.kind !== 'terminated') return { kind: 'running' }
    return { kind: 'running', failed: describeFailure(last, Math.max(restartCount, 1)) }
  }
  if (last.kind === 'terminated' && state.kind === 'waiting')
    return { kind: 'failed', failed: describeFailure(last, restartCount + 1) }
  const waiting = state.kind === 'waiting' ? state : { reason: '', message: '' }
  return { kind: 'pending', reason: waiting.reason, message: waiting.message, started }
}
