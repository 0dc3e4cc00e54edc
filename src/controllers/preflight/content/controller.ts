import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import { keyOf, parseKey } from '../../../kube/object.ts'
import { type Caches, imagesByModule, imagesByPreflight } from '../../cluster/caches.ts'
import type { Controller } from '../../cluster/controller.ts'
import { findModule, findPreflight } from '../../cluster/images-config.ts'
import { decide, type LookAction } from './decide.ts'
import { lookInto, type LookTools } from './look-into.ts'
import type { ContentFact, ContentResult, ObservedContent } from './observed.ts'
import { createTurns, type Turns } from './turns.ts'
import { findWish, formatWish } from './wish.ts'

/** What the content of images is looked at with. */
export interface ContentTools extends Omit<LookTools, 'signal' | 'caches'> {
  caches: Pick<Caches, 'modules' | 'nodes' | 'moduleImagesConfigs' | 'preflightValidations'>
  now: () => number
  /** By ModuleImagesConfig; written here, read by `preflight`. */
  facts: Map<string, ContentFact>
  /** Told the name of the PreflightValidation for which something was found out. */
  onFact: (preflight: string) => void
}

function observe(key: string, { caches, facts }: ContentTools): ObservedContent | undefined {
  const { namespace = '', name } = parseKey(key)
  const config = caches.moduleImagesConfigs.get({ namespace, name })
  const owner = config && findPreflight(config)
  if (config === undefined || owner === undefined) return undefined
  const preflight = caches.preflightValidations.get({ name: owner.name })
  const module = caches.modules.get(findModule(config))
  if (preflight?.metadata.uid !== owner.uid || preflight.metadata.deletionTimestamp !== undefined) return undefined
  if (module === undefined) return undefined
  return { config, module, wish: findWish(config, module, preflight.spec.kernelVersion), fact: facts.get(key) }
}

/** Writes down what was seen. */
function remember({ config, wish }: LookAction, result: ContentResult, tools: ContentTools): void {
  const { caches, facts, now, onFact } = tools
  // It may be gone by now.
  if (caches.moduleImagesConfigs.get(config.metadata)?.metadata.uid !== config.metadata.uid) return
  const [configKey, key] = [keyOf(config), formatWish(wish, config)]
  const before = facts.get(configKey)
  const attempts = result.kind === 'unknown' ? (before?.key === key ? before.attempts : 0) + 1 : 0
  const wasKnown = before?.wasKnown === true || (before !== undefined && before.result.kind !== 'unknown')
  facts.set(configKey, { key, result, atMs: now(), attempts, wasKnown })
  const preflight = findPreflight(config)
  if (preflight !== undefined) onFact(preflight.name)
}

/** Calls `add` with the ModuleImagesConfigs of preflights that a change concerns. */
function watch({ caches, facts }: ContentTools, turns: Turns, add: (key: string) => void): void {
  caches.moduleImagesConfigs.onChange(({ key, after }) => {
    if (after === undefined) {
      facts.delete(key)
      turns.giveUp(key)
    } else if (findPreflight(after) !== undefined) add(key)
  })
  const addAll = (configs: readonly ModuleImagesConfig[]): void => {
    for (const config of configs) if (findPreflight(config) !== undefined) add(keyOf(config))
  }
  caches.modules.onChange(({ key, before, after }) => {
    if (after === undefined || before?.metadata.generation === after.metadata.generation) return
    addAll(caches.moduleImagesConfigs.byIndex(imagesByModule, key))
  })
  caches.preflightValidations.onChange(({ before, after }) => {
    if (after === undefined || before?.metadata.generation === after.metadata.generation) return
    addAll(caches.moduleImagesConfigs.byIndex(imagesByPreflight, after.metadata.uid ?? ''))
  })
}

/** Looks into images for preflights: that they have what the Module loads. Its key is the ModuleImagesConfig of a preflight. */
export function createContentController(tools: ContentTools): Controller<ObservedContent, LookAction> {
  const wakers: ((key: string) => void)[] = []
  const wake = (key: string): void => {
    for (const each of wakers) each(key)
  }
  const turns = createTurns(wake)
  return {
    reconciler: {
      name: 'preflight-content',
      observe: (key) => observe(key, tools),
      decide(observed, nowMs) {
        turns.giveUp(keyOf(observed.config))
        return decide(observed, nowMs)
      },
      async execute(action, { signal }) {
        const key = keyOf(action.config)
        await turns.take(key, async () => {
          remember(action, await lookInto(action.wish, action, { ...tools, signal }), tools)
          wake(key)
        })
      },
    },
    concurrency: 16,
    watch(add) {
      wakers.push(add)
      watch(tools, turns, add)
    },
  }
}
