import { performance } from 'node:perf_hooks'

/** A timer that was set; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

/** Time as the operator sees it, so that tests can move it by hand. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Milliseconds since a fixed moment; never goes back when somebody sets the wall clock. */
  monotonic(): number
  setTimeout(callback: () => void, delayMs: number): Timer
}

// Node fires a timer at once when its delay does not fit into 32 bits.
const longestDelayMs = 2_147_483_647

/** The machine's own time. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, delayMs) => {
    const timer = setTimeout(callback, Math.max(0, Math.min(delayMs, longestDelayMs)))
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Waits; resolves early, without an error, when the signal is aborted. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const timer = clock.setTimeout(finish, delayMs)
    signal?.addEventListener('abort', finish, { once: true })
  })
}
