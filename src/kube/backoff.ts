/** How long to wait between attempts: doubling from `baseMs` to `capMs`. */
export interface BackoffOptions {
  baseMs: number
  capMs: number
  /** Answers a number from 0 (inclusive) to 1; Math.random outside tests. */
  random: () => number
}

/** The delay after failure number `failures` (1 is the first): between half of the doubled base and all of it. */
export function computeBackoffMs(failures: number, { baseMs, capMs, random }: BackoffOptions): number {
  const fullMs = Math.min(capMs, baseMs * 2 ** Math.min(Math.max(failures, 1) - 1, 40))
  return fullMs / 2 + (random() * fullMs) / 2
}
