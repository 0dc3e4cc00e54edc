import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../../src/kube/clock.ts'

interface PendingTimer {
  dueMs: number
  callback: () => void
  handle: NodeJS.Timeout
}

/** The machine's time, which a test can move on: what an operator would do in ten minutes it does now. */
export class LeapClock implements Clock {
  #aheadMs = 0
  readonly #timers = new Set<PendingTimer>()

  now(): number {
    return Date.now() + this.#aheadMs
  }

  monotonic(): number {
    return performance.now() + this.#aheadMs
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const timer = { dueMs: this.monotonic() + Math.max(0, delayMs), callback, handle: undefined }
    const pending = timer as unknown as PendingTimer
    this.#timers.add(pending)
    this.#arm(pending)
    return {
      cancel: () => {
        clearTimeout(pending.handle)
        this.#timers.delete(pending)
      },
    }
  }

  /** Moves time on; what falls due by that happens at once. */
  leap(ms: number): void {
    this.#aheadMs += ms
    for (const timer of this.#timers) {
      clearTimeout(timer.handle)
      this.#arm(timer)
    }
  }

  #arm(timer: PendingTimer): void {
    const delayMs = Math.min(Math.max(0, timer.dueMs - this.monotonic()), 2_147_483_647)
    timer.handle = setTimeout(() => {
      this.#timers.delete(timer)
      timer.callback()
    }, delayMs)
  }
}
