import type { WorkerStatus } from '../../api/node-modules-config.ts'
import type { Reason } from '../../errors/reason.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import type { ObservedModule } from './observed.ts'
import type { FailedAttempt } from './worker-state.ts'
import type { Worker } from './worker.ts'

const maximumMessage = 1_024

/** A status entry for a worker that failed or waits; `since` stays while action and reason stay the same. */
export function makeReported(
  module: ObservedModule,
  action: 'Load' | 'Unload',
  fault: { reason: Reason; attempt: number; message: string },
  nowMs: number,
): WorkerStatus {
  const { reported } = module
  const same = reported?.action === action && reported.reason === fault.reason
  const message = fault.message.slice(0, maximumMessage)
  return {
    namespace: module.namespace,
    name: module.name,
    action,
    attempt: fault.attempt,
    reason: fault.reason,
    ...(message === '' ? {} : { message }),
    since: same ? reported.since : new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
  }
}

function explainEnd(failed: FailedAttempt): string {
  const text = cleanText(failed.text, maximumMessage)
  if (failed.exitReason === 'OOMKilled') return 'the worker was killed because it ran out of memory'
  const end = `the worker ended with exit code ${failed.exitCode} (${failed.exitReason || 'no reason given'})`
  return text === '' ? `${end} and left no report; see its log with kubectl logs` : `${end}: ${text}`
}

/** Reason and message of a failed attempt: the report's, or Unknown with what the kubelet says. */
export function describeFailedAttempt(failed: FailedAttempt): { reason: Reason; message: string } {
  const { report } = failed
  if (report === undefined || report.outcome === 'ok') return { reason: 'Unknown', message: explainEnd(failed) }
  return { reason: report.reason, message: report.message }
}

/** The status entry for a failed attempt. */
export function describeWorkerFailure(
  module: ObservedModule,
  worker: Worker,
  failed: FailedAttempt,
  nowMs: number,
): WorkerStatus {
  const fault = { ...describeFailedAttempt(failed), attempt: failed.attempt }
  return makeReported(module, worker.intent.action, fault, nowMs)
}
