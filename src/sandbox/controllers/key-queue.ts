import type { Timers } from './timers.ts'

/** What a queue needs from its controller. */
export interface KeyQueueOptions {
  timers: Timers
  /** Brings one key in order. When it throws, the key comes again after a growing delay. */
  reconcile: (key: string) => void | Promise<void>
  /** The first delay after a failure; it doubles up to `maxDelayMs`. */
  minDelayMs?: number
  maxDelayMs?: number
}

/**
 * Work by key: a key waits at most once, and one key is worked on at a time, never inside the store's own call. Failures
 * are not reported: like a controller-manager's, they heal or they repeat.
 */
export class KeyQueue {
  readonly #options: KeyQueueOptions
  readonly #waiting = new Set<string>()
  readonly #failures = new Map<string, number>()
  readonly #delayed = new Map<string, () => void>()
  #running: Promise<void> | undefined
  #stopped = false

  constructor(options: KeyQueueOptions) {
    this.#options = options
  }

  add(key: string): void {
    if (this.#stopped) return
    this.#waiting.add(key)
    this.#running ??= this.#run()
  }

  /** Adds a key after a delay; a later call for the same key replaces an earlier one. */
  addAfter(key: string, delayMs: number): void {
    if (this.#stopped) return
    this.#delayed.get(key)?.()
    const cancel = this.#options.timers.schedule(delayMs, () => {
      this.#delayed.delete(key)
      this.add(key)
    })
    this.#delayed.set(key, cancel)
  }

  /** Takes back a delayed key. */
  cancel(key: string): void {
    this.#delayed.get(key)?.()
    this.#delayed.delete(key)
  }

  /** Resolves when nothing waits but delayed keys. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Takes no more work, and resolves when the present key is done. */
  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#delayed.values()) cancel()
    this.#delayed.clear()
    this.#waiting.clear()
    await this.drained()
  }

  async #run(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#options.timers.soon(resolve)
    })
    for (const key of this.#waiting) {
      this.#waiting.delete(key)
      await this.#work(key)
    }
    this.#running = undefined
  }

  async #work(key: string): Promise<void> {
    const { reconcile, minDelayMs = 100, maxDelayMs = 30_000 } = this.#options
    try {
      await reconcile(key)
      this.#failures.delete(key)
    } catch {
      const failures = this.#failures.get(key) ?? 0
      this.#failures.set(key, failures + 1)
      this.addAfter(key, Math.min(minDelayMs * 2 ** failures, maxDelayMs))
    }
  }
}
