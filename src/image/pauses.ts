import { setImmediate as nextTurn } from 'node:timers/promises'
import { KmmError } from '../errors/error.ts'

/** So many steps take some milliseconds. */
const stepsOfTurn = 5_000

/** Counts the steps of a long work: lets timers and other work have their turn now and then. Throws `Aborted` when it is to stop. */
export type Pauses = (steps: number) => Promise<void>

/** Makes pauses for one work, which `signal` stops. */
export function createPauses(signal: AbortSignal): Pauses {
  let left = stepsOfTurn
  return async (steps) => {
    left -= steps
    if (left > 0) return
    left = stepsOfTurn
    await nextTurn()
    if (signal.aborted) throw new KmmError('it was stopped', { code: 'Aborted', cause: signal.reason })
  }
}
