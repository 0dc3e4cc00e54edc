import type { Clock } from './clock.ts'

/** A clock for tests: time stands still until `advance` moves it. */
export interface FakeClock extends Clock {
  /** Moves time on, firing the timers that fall due in their order, and lets promises settle after each. */
  advance(durationMs: number): Promise<void>
  /** Moves on to the earliest timer and fires it; false when none is set. */
  advanceToNext(): Promise<boolean>
  /** How many timers are set. */
  readonly pendingTimers: number
}

interface PendingTimer {
  atMs: number
  order: number
  callback: () => void
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A clock that starts at `startMs` and moves only by hand. */
export function createFakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let nowMs = startMs
  let order = 0
  const timers = new Set<PendingTimer>()
  const earliest = (): PendingTimer | undefined =>
    [...timers].sort((left, right) => left.atMs - right.atMs || left.order - right.order)[0]
  const fire = async (timer: PendingTimer): Promise<void> => {
    timers.delete(timer)
    nowMs = Math.max(nowMs, timer.atMs)
    timer.callback()
    await settle()
  }
  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    setTimeout: (callback, delayMs) => {
      const timer = { atMs: nowMs + Math.max(0, delayMs), order: order++, callback }
      timers.add(timer)
      return { cancel: () => void timers.delete(timer) }
    },
    advance: async (durationMs) => {
      const untilMs = nowMs + durationMs
      await settle()
      for (let next = earliest(); next && next.atMs <= untilMs; next = earliest()) await fire(next)
      nowMs = untilMs
      await settle()
    },
    advanceToNext: async () => {
      const next = earliest()
      if (next) await fire(next)
      return next !== undefined
    },
    get pendingTimers() {
      return timers.size
    },
  }
}
