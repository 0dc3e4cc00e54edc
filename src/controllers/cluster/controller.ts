import type { Reconciler } from '../../runtime/reconciler.ts'

/** A reconciler together with what wakes it. */
export interface Controller<O, A> {
  reconciler: Reconciler<O, A>
  /** How many keys are worked on at once. */
  concurrency: number
  /** How far apart passes are kept that are only nudged: for keys that stand for many nodes. 0 unless given. */
  paceMs?: number
  /**
   * Registers listeners that call `wake` with the keys that a change concerns, or `nudge` where a pass may wait for its
   * pace. Called once, before the caches start.
   */
  watch(wake: (key: string) => void, nudge: (key: string) => void): void
}
