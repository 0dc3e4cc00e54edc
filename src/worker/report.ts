import type { ReportedModule, WorkerReport } from '../api/worker-report.ts'
import { describeError } from '../errors/error.ts'
import type { Host } from './host.ts'
import { readLoadedModules } from './kernel-state.ts'
import { findReason } from './worker-error.ts'

/** What the worker is to do. */
export type WorkerAction = WorkerReport['action']

/** How it ended: with a result, or with what was thrown. */
export type Outcome = { ok: true; alreadyLoaded: boolean; message: string } | { ok: false; error: unknown }

/** What a report is made of besides the outcome. */
export interface ReportInput {
  host: Host
  action: WorkerAction
  /** Names of the modules to report on: those of the Module. */
  names: readonly string[]
  durationsMs: WorkerReport['durationsMs']
}

/** Makes the report of a worker that has ended, with what is in the kernel now. */
export async function createReport(input: ReportInput, outcome: Outcome): Promise<WorkerReport> {
  const { host, action, names, durationsMs } = input
  const loaded = await readLoadedModules(host, names)
  const modules = loaded.map(
    ({ name, srcversion, refcnt }): ReportedModule => ({
      name,
      ...(srcversion === undefined ? {} : { srcversion }),
      ...(refcnt === undefined ? {} : { refcnt }),
    }),
  )
  const common = { v: 1 as const, bootID: host.bootId, kernel: host.kernelRelease, action, modules, durationsMs }
  if (!outcome.ok) {
    const { error } = outcome
    return {
      ...common,
      outcome: 'failed',
      alreadyLoaded: false,
      reason: findReason(error),
      message: describeError(error),
    }
  }
  const { alreadyLoaded, message } = outcome
  return { ...common, outcome: 'ok', alreadyLoaded, reason: action === 'load' ? 'Loaded' : 'Unloaded', message }
}

/** The report that stands until there is a better one: it is read when the worker is killed without a chance to write. */
export function createFirstReport(host: Host, action: WorkerAction): WorkerReport {
  return {
    v: 1,
    bootID: host.bootId,
    kernel: host.kernelRelease,
    action,
    outcome: 'failed',
    alreadyLoaded: false,
    reason: 'Unknown',
    message:
      'The worker ended before it could say why: it was killed, most likely for want of memory. See the state of its container; worker pods need 128 MiB and more.',
    modules: [],
    durationsMs: {},
  }
}
