import type { Clock } from '../kube/clock.ts'
import type { Queue } from '../kube/queue.ts'

/**
 * Keeps passes for one key apart. A key that stands for thousands of things, such as a Module for its nodes, would
 * otherwise be looked at again for each of them, and each look takes longer the more there are.
 */
export interface Pace {
  /** Asks for a pass, at the earliest `paceMs` after the end of the last. */
  nudge(key: string): void
  begin(key: string): void
  end(key: string): void
}

/** Makes the pace of one controller's queue. */
export function createPace(queue: Pick<Queue, 'add' | 'addAt'>, clock: Clock, paceMs: number): Pace {
  /** When passes ended that ended not long ago, on the monotonic clock, oldest first. */
  const endedMs = new Map<string, number>()
  /** Keys that a pass is under way for, and whether they were nudged since it began. */
  const passing = new Map<string, boolean>()
  const leftMs = (key: string): number => {
    const ended = endedMs.get(key)
    return ended === undefined ? 0 : ended + paceMs - clock.monotonic()
  }
  return {
    nudge(key) {
      if (passing.has(key)) return void passing.set(key, true)
      const left = leftMs(key)
      if (left > 0) queue.addAt(key, clock.now() + left)
      else queue.add(key)
    },
    begin(key) {
      passing.set(key, false)
    },
    end(key) {
      const isNudged = passing.get(key) === true
      passing.delete(key)
      endedMs.delete(key)
      endedMs.set(key, clock.monotonic())
      for (const old of endedMs.keys()) {
        if (leftMs(old) > 0) break
        endedMs.delete(old)
      }
      if (isNudged) queue.addAt(key, clock.now() + paceMs)
    },
  }
}
