import type { ModprobeResult } from './modprobe.ts'
import type { RunContext } from './run-context.ts'
import { WorkerError } from './worker-error.ts'

/** The error for a modprobe that was killed because the worker had to end. */
export function describeModprobeStop({ graceMs }: RunContext, result: ModprobeResult): WorkerError {
  const said = result.stderr === '' ? '' : ` It had said: ${result.stderr.slice(-300)}`
  return new WorkerError(
    'Unknown',
    `The worker was told to stop while modprobe ran, and modprobe did not end within ${Math.round(graceMs / 1000)} s: it was killed after ${result.durationMs} ms, and the module may be in the kernel or not. It is tried again.${said}`,
  )
}
