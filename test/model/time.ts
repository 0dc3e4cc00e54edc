import type { Clock, Timer } from '../../src/kube/clock.ts'
import type { Timers } from '../../src/sandbox/controllers/timers.ts'
import type { Chance } from './chance.ts'

interface Entry {
  atMs: number
  order: number
  callback: (() => void) | undefined
}

const isBefore = (left: Entry, right: Entry): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.order < right.order)

/** A binary heap: the earliest entry first. */
class Heap {
  readonly #entries: Entry[] = []

  get first(): Entry | undefined {
    return this.#entries[0]
  }

  push(entry: Entry): void {
    const entries = this.#entries
    let place = entries.length
    entries.push(entry)
    while (place > 0) {
      const parent = (place - 1) >> 1
      const above = entries[parent]
      if (above === undefined || !isBefore(entry, above)) break
      entries[place] = above
      place = parent
    }
    entries[place] = entry
  }

  pop(): Entry | undefined {
    const entries = this.#entries
    const first = entries[0]
    const last = entries.pop()
    if (first === undefined || last === undefined || entries.length === 0) return first
    let place = 0
    for (;;) {
      const child = this.#smallerChild(place)
      const below = entries[child]
      if (below === undefined || !isBefore(below, last)) break
      entries[place] = below
      place = child
    }
    entries[place] = last
    return first
  }

  #smallerChild(place: number): number {
    const left = place * 2 + 1
    const [first, second] = [this.#entries[left], this.#entries[left + 1]]
    return first && second && isBefore(second, first) ? left + 1 : left
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** When the model's time begins. */
const startMs = Date.UTC(2030, 0, 1)

/**
 * The only time of a run. It moves from timer to timer, and everything that one timer causes is over before the next one
 * fires, so that the same seed always gives the same run.
 */
export class VirtualTime implements Clock, Timers {
  readonly #heap = new Heap()
  readonly #chance: Chance
  #nowMs = startMs
  #order = 0
  /** How many timers have fired. */
  fired = 0

  constructor(chance: Chance) {
    this.#chance = chance
  }

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs - startMs
  }

  setTimeout(callback: () => void, delayMs: number): Timer {
    const entry: Entry = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback }
    this.#heap.push(entry)
    return {
      cancel: () => {
        entry.callback = undefined
      },
    }
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = this.setTimeout(callback, delayMs)
    return () => timer.cancel()
  }

  /** The controllers of Kubernetes take their time, and sometimes more of it. */
  soon(callback: () => void): void {
    const most = this.#chance.happens(0.05) ? 3_000 : 40
    this.setTimeout(callback, this.#chance.between(1, most))
  }

  /** Fires every timer that falls due until then; `check` is called after each. */
  async run(durationMs: number, check: () => void): Promise<void> {
    const untilMs = this.#nowMs + durationMs
    await settle()
    for (let next = this.#heap.first; next && next.atMs <= untilMs; next = this.#heap.first) {
      this.#heap.pop()
      const { callback } = next
      if (callback === undefined) continue
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      this.fired++
      callback()
      await settle()
      check()
    }
    this.#nowMs = untilMs
  }

  /** The seconds since the run began, for the trace. */
  stamp(): string {
    return `${((this.#nowMs - startMs) / 1000).toFixed(3)} s`
  }
}
