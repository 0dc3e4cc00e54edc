import type { Reason } from '../errors/reason.ts'

/** A decision not to act yet. `untilMs` (epoch) asks for another pass then, even if nothing changes. */
export interface Wait {
  reason: Reason
  message: string
  untilMs?: number
}

/** What one pass decided: actions to run in order, and what is waited for. No action means converged. */
export interface Decision<A> {
  actions: readonly A[]
  waits: readonly Wait[]
}

/** What `execute` is given besides the action. */
export interface ExecuteContext {
  signal: AbortSignal
  nowMs: number
}

/**
 * One controller, as the loop runs it: key → observe → decide → execute. `observe` reads caches only and answers
 * undefined when there is nothing to do for the key; `decide` is pure; `execute` makes one idempotent call an action.
 * The first action that throws ends the pass; the key comes back with backoff.
 */
export interface Reconciler<O, A> {
  readonly name: string
  observe(key: string): O | undefined
  decide(observed: O, nowMs: number): Decision<A>
  execute(action: A, context: ExecuteContext): Promise<void>
  /** Names what consecutive actions may be carried out side by side, such as one for each of many nodes. */
  groupOf?(action: A): string | undefined
}
