import type { Controller } from '../cluster/controller.ts'
import { findPreflight } from '../cluster/images-config.ts'
import { type Action, decide } from './decide.ts'
import { execute, type PreflightTools } from './execute.ts'
import { observe, type PreflightSources } from './observe.ts'
import type { ObservedPreflight, Refusal } from './observed.ts'
import { isSameWish } from '../cluster/same-wish.ts'

/** The status is written at most once a second, so it need not be worked out more often. */
const paceMs = 1_000

/** What the controller is made of besides what it makes itself. */
export interface PreflightOptions {
  sources: Omit<PreflightSources, 'refusals' | 'lastWrites'>
  tools: Omit<PreflightTools, 'refusals' | 'lastWrites' | 'wake'>
  /** Tells the name of a PreflightValidation for which something was seen in an image. */
  onFact: (listener: (preflight: string) => void) => void
}

/** Answers whether every Module would have an image for a kernel that no node has yet; its key is the PreflightValidation. */
export function createPreflightController(options: PreflightOptions): Controller<ObservedPreflight, Action> {
  const refusals = new Map<string, Refusal>()
  const lastWrites = new Map<string, number>()
  const sources = { ...options.sources, refusals, lastWrites }
  const { caches } = sources
  const wakers: ((key: string) => void)[] = []
  const tools: PreflightTools = {
    ...options.tools,
    refusals,
    lastWrites,
    wake: (key) => {
      for (const each of wakers) each(key)
    },
  }
  const forget = (uid: string): void => {
    lastWrites.delete(uid)
    for (const [key, { preflight }] of refusals) if (preflight === uid) refusals.delete(key)
  }
  return {
    reconciler: {
      name: 'preflight',
      observe: (key) => observe(key, sources),
      decide,
      execute: (action, context) => execute(action, tools, context),
      groupOf: ({ type }) => (type === 'writeStatus' ? undefined : type),
    },
    concurrency: 4,
    paceMs,
    watch(wake, nudge) {
      wakers.push(nudge)
      options.onFact(nudge)
      caches.preflightValidations.onChange(({ key, before, after }) => {
        if (after === undefined) forget(before?.metadata.uid ?? '')
        if (isSameWish(before, after)) nudge(key)
        else wake(key)
      })
      caches.modules.onChange(({ before, after }) => {
        if (isSameWish(before, after)) return
        for (const { metadata } of caches.preflightValidations.list()) nudge(metadata.name)
      })
      caches.moduleImagesConfigs.onChange(({ key, before, after }) => {
        if (before === undefined || after === undefined) refusals.delete(key)
        const owners = [before, after].flatMap((config) => (config && findPreflight(config)) ?? [])
        for (const name of new Set(owners.map((owner) => owner.name))) nudge(name)
        // A name that was somebody else's is free, or one that was free is somebody else's.
        if (owners.length === 0 && (before === undefined || after === undefined))
          for (const { metadata } of caches.preflightValidations.list()) nudge(metadata.name)
      })
    },
  }
}
