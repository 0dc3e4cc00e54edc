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
}

/** A look that waits for others of its namespace is asked for again after this long at the latest. */
const queueMs = 60_000

/** Decides whether an image has to be looked into: once for each digest, and again only where there was no answer. */
export function decide({ config, module, wish, fact }: ObservedContent, nowMs: number): Decision<LookAction> {
  if (wish === undefined) return { actions: [], waits: [] }
  const known = findAnswer(fact, wish, config)
  if (known !== undefined && known.result.kind !== 'unknown') return { actions: [], waits: [] }
  const dueMs = known === undefined ? nowMs : known.atMs + retryAfter(known.attempts)
  const message = `the content of ${wish.image} is looked into`
  const wait = (untilMs: number) => [{ reason: 'ImageUnknown' as const, message, untilMs }]
  if (nowMs < dueMs) return { actions: [], waits: wait(dueMs) }
  return { actions: [{ type: 'lookInto', config, module, wish }], waits: wait(nowMs + queueMs) }
}
