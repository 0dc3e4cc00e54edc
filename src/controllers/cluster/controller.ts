import type { Reconciler } from '../../runtime/reconciler.ts'

/** A reconciler together with what wakes it. */
export interface Controller<O, A> {
  reconciler: Reconciler<O, A>
  /** How many keys are worked on at once. */
  concurrency: number
  /** Registers listeners that call `wake` with the keys that a change concerns. Called once, before the caches start. */
  watch(wake: (key: string) => void): void
}
