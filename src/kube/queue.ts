import { type BackoffOptions, computeBackoffMs } from './backoff.ts'
import type { Clock, Timer } from './clock.ts'

/** What a queue is made of. */
export interface QueueOptions {
  /** Works on one key; what it throws must be handled by it (a rejection counts as a defect and goes to `onDefect`). */
  process: (key: string) => Promise<void>
  /** How many keys are worked on at once. */
  concurrency: number
  backoff: BackoffOptions
  clock: Clock
  onDefect: (error: unknown) => void
  /** Told when a worker begins, and how long the key had waited for one. */
  onStart?: (waitedMs: number) => void
}

/** Counts for metrics. */
export interface QueueCounts {
  depth: number
  adds: number
  retries: number
  /** For how long each key that is worked on has been, in milliseconds. */
  workingMs: readonly number[]
}

/**
 * A work queue of keys: one key is worked on by one worker at a time, a key that is added while it waits is there once,
 * and a key that is added while it is worked on comes again after that. First in, first out.
 */
export interface Queue {
  /** Adds a key to be worked on as soon as a worker is free; ends its delay, not its backoff count. */
  add(key: string): void
  /**
   * Adds a key at a time (milliseconds of the clock's `now`), unless it is due earlier already. Work that begins on the
   * key before then makes this moot: it sees everything there is, and asks for another time if it needs one.
   */
  addAt(key: string, atMs: number): void
  /** Adds a key after a delay that doubles with each call until `forget`. */
  addWithBackoff(key: string): void
  /** Ends the doubling: the key went well. */
  forget(key: string): void
  readonly counts: QueueCounts
  /** Starts the workers; keys that were added before wait until then. */
  start(): void
  /** Takes no more work and waits for what is under way. */
  stop(): Promise<void>
}

interface Delayed {
  atMs: number
  timer: Timer
}

class WorkQueue implements Queue {
  readonly #options: QueueOptions
  /** Keys that wait, in the order in which they came, and since when. */
  readonly #waiting = new Map<string, number>()
  /** Keys that are worked on, and since when. */
  readonly #working = new Map<string, number>()
  /** Keys that were added while they were worked on. */
  readonly #again = new Set<string>()
  readonly #delayed = new Map<string, Delayed>()
  readonly #failures = new Map<string, number>()
  readonly #underWay = new Set<Promise<void>>()
  #running = false
  #stopped = false
  #adds = 0
  #retries = 0

  constructor(options: QueueOptions) {
    this.#options = options
  }

  get counts(): QueueCounts {
    const nowMs = this.#options.clock.monotonic()
    return {
      depth: this.#waiting.size + this.#again.size,
      adds: this.#adds,
      retries: this.#retries,
      workingMs: [...this.#working.values()].map((sinceMs) => nowMs - sinceMs),
    }
  }

  add(key: string): void {
    if (this.#stopped) return
    this.#adds++
    this.#cancelDelay(key)
    if (this.#working.has(key)) this.#again.add(key)
    else this.#wait(key)
    this.#dispatch()
  }

  addAt(key: string, atMs: number): void {
    if (this.#stopped) return
    const present = this.#delayed.get(key)
    if (present && present.atMs <= atMs) return
    this.#cancelDelay(key)
    const delayMs = Math.max(0, atMs - this.#options.clock.now())
    const timer = this.#options.clock.setTimeout(() => {
      this.#delayed.delete(key)
      // A timer cannot be set far ahead: what is not due yet is set again.
      if (this.#options.clock.now() < atMs) this.addAt(key, atMs)
      else this.add(key)
    }, delayMs)
    this.#delayed.set(key, { atMs, timer })
  }

  addWithBackoff(key: string): void {
    const failures = (this.#failures.get(key) ?? 0) + 1
    this.#failures.set(key, failures)
    this.#retries++
    this.addAt(key, this.#options.clock.now() + computeBackoffMs(failures, this.#options.backoff))
  }

  forget(key: string): void {
    this.#failures.delete(key)
  }

  start(): void {
    this.#running = true
    this.#dispatch()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#running = false
    this.#waiting.clear()
    this.#again.clear()
    for (const { timer } of this.#delayed.values()) timer.cancel()
    this.#delayed.clear()
    await Promise.all(this.#underWay)
  }

  #cancelDelay(key: string): void {
    this.#delayed.get(key)?.timer.cancel()
    this.#delayed.delete(key)
  }

  #wait(key: string): void {
    // A key that waits already keeps its place.
    if (!this.#waiting.has(key)) this.#waiting.set(key, this.#options.clock.monotonic())
  }

  #dispatch(): void {
    while (this.#running && this.#working.size < this.#options.concurrency) {
      const [next] = this.#waiting
      if (next === undefined) return
      const [key, sinceMs] = next
      const nowMs = this.#options.clock.monotonic()
      this.#waiting.delete(key)
      this.#cancelDelay(key)
      this.#working.set(key, nowMs)
      this.#options.onStart?.(nowMs - sinceMs)
      const work = this.#work(key)
      this.#underWay.add(work)
      void work.finally(() => this.#underWay.delete(work))
    }
  }

  async #work(key: string): Promise<void> {
    try {
      await this.#options.process(key)
    } catch (error) {
      this.#options.onDefect(error)
    } finally {
      this.#working.delete(key)
      if (this.#again.delete(key)) this.#wait(key)
      this.#dispatch()
    }
  }
}

/** Makes a queue; nothing is worked on before `start`. */
export function createQueue(options: QueueOptions): Queue {
  return new WorkQueue(options)
}
