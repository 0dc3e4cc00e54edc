import { workerActionLabel } from '../../api/labels.ts'
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
  | { kind: 'pending'; reason: string; message: string; started: boolean }
  | { kind: 'running'; failed?: FailedAttempt }
  | { kind: 'succeeded'; report?: WorkerReport }
  | { kind: 'failed'; failed: FailedAttempt }
  /** Ended for good without the wanted result: evicted, its node went down, or its report cannot be believed. */
  | { kind: 'lost'; message: string; started: boolean; failed?: FailedAttempt }

/** Who made a pod: workers of the Go operator leave no report. */
export type WorkerMaker = 'own' | 'upstream'

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

/** A worker of ours always reports: one that ended well without a report of just this work is not believed. */
function readSuccess(state: Terminated, pod: PodView, maker: WorkerMaker): WorkerState {
  if (maker === 'upstream') return { kind: 'succeeded' }
  const failed = describeFailure(state, pod.container.restartCount + 1)
  const { report, ...unreported } = failed
  const message = 'the worker ended without an error, and left no report of what it did'
  if (report === undefined || report.outcome === 'failed') return { kind: 'lost', message, started: true, failed }
  const action = pod.labels[workerActionLabel] === 'Load' ? 'load' : 'unload'
  if (report.action !== action) return { kind: 'lost', message, started: true, failed: unreported }
  return { kind: 'succeeded', report }
}

function readTerminated(state: Terminated, pod: PodView, maker: WorkerMaker): WorkerState {
  if (state.exitCode === 0) return readSuccess(state, pod, maker)
  const failed = describeFailure(state, pod.container.restartCount + 1)
  // The kubelet starts nothing again in a pod that failed as a whole.
  if (pod.phase !== 'Failed') return { kind: 'failed', failed }
  const message = `${pod.reason} ${pod.message}`.trim() || state.message || state.reason
  return { kind: 'lost', message, started: true, ...(failed.report === undefined ? {} : { failed }) }
}

/** What a pod without a container that ended tells by its phase alone. */
function readPhase(pod: PodView, maker: WorkerMaker): WorkerState | undefined {
  const { state, last, restartCount } = pod.container
  if (pod.phase === 'Succeeded') {
    if (maker === 'upstream') return { kind: 'succeeded' }
    return { kind: 'lost', message: 'the pod succeeded, and its container left no report', started: true }
  }
  if (pod.phase !== 'Failed') return undefined
  const started = state.kind === 'running' || last.kind === 'terminated' || restartCount > 0
  return { kind: 'lost', message: `${pod.reason} ${pod.message}`.trim(), started }
}

/** Reads the state of a worker pod; the last finished attempt counts, from `state` or `lastState`. */
export function readWorkerState(pod: PodView, maker: WorkerMaker): WorkerState {
  const { state, last, restartCount } = pod.container
  if (state.kind === 'terminated') return readTerminated(state, pod, maker)
  const ended = readPhase(pod, maker)
  if (ended) return ended
  const hasFailed = last.kind === 'terminated' && last.exitCode !== 0
  if (state.kind === 'running')
    return { kind: 'running', ...(hasFailed ? { failed: describeFailure(last, Math.max(restartCount, 1)) } : {}) }
  if (hasFailed && state.kind === 'waiting') return { kind: 'failed', failed: describeFailure(last, restartCount + 1) }
  const { reason, message } = state.kind === 'waiting' ? state : { reason: '', message: '' }
  return { kind: 'pending', reason, message, started: last.kind === 'terminated' || restartCount > 0 }
}
