import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Module } from '../../../api/module.ts'
import type { Decision } from '../../../runtime/reconciler.ts'
import { retryAfter } from '../../images/timing.ts'
import type { ContentWish, ObservedContent } from './observed.ts'
import { findAnswer } from './wish.ts'

/** Looks into an image. */
export interface LookAction {
  type: 'lookInto'
  config: ModuleImagesConfig
  module: Module
  wish: ContentWish
  architectures: readonly string[]
  /** A result stands meanwhile: others come first. */
  mayWait: boolean
}

/** A look that waits for others of its namespace is asked for again after this long at the latest. */
const queueMs = 60_000

/**
 * Decides whether an image has to be looked into: once in a process for each wish and its architectures, and again only where there was no
 * answer.
 */
export function decide(observed: ObservedContent, nowMs: number): Decision<LookAction> {
  const { config, module, wish, fact, architectures, standingUntilMs } = observed
  if (wish === undefined) return { actions: [], waits: [] }
  const answer = findAnswer(fact, wish, config)
  const known = answer?.architectures.join() === architectures.join() ? answer : undefined
  if (known !== undefined && known.result.kind !== 'unknown') return { actions: [], waits: [] }
  const dueMs = known === undefined ? (standingUntilMs ?? nowMs) : known.atMs + retryAfter(known.attempts)
  const message = `the content of ${wish.image} is looked into`
  const wait = (untilMs: number) => [{ reason: 'ImageUnknown' as const, message, untilMs }]
  if (nowMs < dueMs) return { actions: [], waits: wait(dueMs) }
  const mayWait = standingUntilMs !== undefined
  const action: LookAction = { type: 'lookInto', config, module, wish, architectures, mayWait }
  return { actions: [action], waits: wait(nowMs + queueMs) }
}
