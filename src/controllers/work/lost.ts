import { deleteWorkerPod } from './delete-worker-pod.ts'
import type { ObservedModule } from './observed.ts'
import { makeWait, type PodDecision } from './pod-decision.ts'
import { describeFailedAttempt, makeReported } from './reported.ts'
import type { Worker } from './worker.ts'
import type { FailedAttempt } from './worker-state.ts'

/** A pod that ended without a result stays at least this long as evidence before another one is made. */
const firstRetryMs = 30_000
const longestRetryMs = 300_000

/** What is known of a worker that ended for good without the wanted result. */
export interface Loss {
  message: string
  /** The report that it left, or what there is of it. */
  failed?: FailedAttempt
  /** The cause has passed: the first try again is at once. */
  passed?: boolean
}

/** Gives up a worker that will not run again, for another one; each waits longer than the one before. */
export function decideLost(module: ObservedModule, worker: Worker, loss: Loss, nowMs: number): PodDecision {
  const { action } = worker.intent
  const fault = loss.failed
    ? describeFailedAttempt(loss.failed)
    : { reason: 'WorkerLost' as const, message: loss.message }
  const { reported } = module
  const isRepeated = reported?.action === action && reported.reason === fault.reason
  const attempt = isRepeated ? Math.max(reported.attempt, 1) : 1
  const now = makeReported(module, action, { ...fault, attempt }, nowMs)
  const delayMs =
    loss.passed && attempt === 1 ? 0 : Math.min(firstRetryMs * 2 ** Math.min(attempt - 1, 10), longestRetryMs)
  const untilMs = Math.max(Date.parse(now.since), worker.createdAtMs) + delayMs
  if (nowMs < untilMs) return { reported: now, waits: [makeWait(fault.reason, fault.message, untilMs)] }
  // What is written now is read when the next one is lost, too.
  return { reported: { ...now, attempt: attempt + 1 }, pods: deleteWorkerPod(worker) }
}
