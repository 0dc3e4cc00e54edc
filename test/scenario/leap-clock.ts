import { performance } from 'node:perf_hooks'
import type { Clock, Timer } from '../../src/kube/clock.ts'

interface PendingTimer {
  dueMs: number
  callback: () => void
  handle: NodeJS.Timeout
}

/**
 * How fast time goes while something is late, in milliseconds for each pause of the machine's own: slowly, as a pod that the API server
 * has just made must not look a quarter of an hour old.
 */
const lateStepMs = 30_000
const latePauseMs = 5_000

/** The machine's time, which a test can move on: what an operator would do in ten minutes it does now. */
export class LeapClock implements Clock {
  #aheadMs = 0
  readonly #timers = new Set<PendingTimer>()
  /** How many wait for something that is due. */
  #waiting = 0
  #late: NodeJS.Timeout | undefined

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

  /**
   * Lets `ms` go by, and more for as long as it takes `until` to come. One leap may be too short: what was asked before it and is
   * answered after it was asked just now by this clock; and what scenes beside this one leap over may have failed meanwhile, and
   * waits longer than after its first failure.
   */
  async pass<T>(ms: number, until: Promise<T>): Promise<T> {
    this.leap(ms)
    this.#late ??= setInterval(() => this.leap(lateStepMs), latePauseMs)
    this.#waiting++
    try {
      return await until
    } finally {
      if (--this.#waiting === 0) {
        clearInterval(this.#late)
        this.#late = undefined
      }
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
