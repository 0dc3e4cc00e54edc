import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import { keyOf } from '../../../kube/object.ts'
import { type Caches, imagesByModule, imagesByPreflight } from '../../cluster/caches.ts'
import type { Controller } from '../../cluster/controller.ts'
import { findModule, findPreflight } from '../../cluster/images-config.ts'
import { isSameWish } from '../../cluster/same-wish.ts'
import { createSilentRegistries } from '../../images/silent-registries.ts'
import { decide, type LookAction } from './decide.ts'
import { lookInto, type LookTools } from './look-into.ts'
import type { ContentFact, ContentResult, ObservedContent } from './observed.ts'
import { mayChangeArchitectures, observe, type Standing } from './observe.ts'
import { createTurns, type Turns } from './turns.ts'
import { formatWish } from './wish.ts'

/** What the content of images is looked at with. */
export interface ContentTools extends Omit<LookTools, 'signal' | 'caches' | 'silent'> {
  caches: Pick<Caches, 'modules' | 'nodes' | 'moduleImagesConfigs' | 'preflightValidations'>
  now: () => number
  /** By ModuleImagesConfig; written here, read by `preflight`. */
  facts: Map<string, ContentFact>
  /** Told the name of the PreflightValidation for which something was found out. */
  onFact: (preflight: string) => void
}

/** How often nobody could look before, in a row. */
function countAttempts(
  before: ContentFact | undefined,
  { key, architectures }: Pick<ContentFact, 'key' | 'architectures'>,
): number {
  if (before?.key !== key || before.architectures.join() !== architectures.join()) return 0
  return before.attempts
}

/** Writes down what was seen. */
function remember({ config, wish, architectures }: LookAction, result: ContentResult, tools: ContentTools): void {
  const { caches, facts, now, onFact } = tools
  // It may be gone by now.
  if (caches.moduleImagesConfigs.get(config.metadata)?.metadata.uid !== config.metadata.uid) return
  const [configKey, key] = [keyOf(config), formatWish(wish, config)]
  const before = facts.get(configKey)
  const attempts = result.kind === 'unknown' ? countAttempts(before, { key, architectures }) + 1 : 0
  const wasKnown = before?.wasKnown === true || (before !== undefined && before.result.kind !== 'unknown')
  facts.set(configKey, { key, architectures, result, atMs: now(), attempts, wasKnown })
  const preflight = findPreflight(config)
  if (preflight !== undefined) onFact(preflight.name)
}

interface Watched extends ContentTools {
  turns: Turns
  standing: Map<string, Standing>
}

/** Calls `add` with the ModuleImagesConfigs of preflights that a change concerns. */
function watch({ caches, facts, turns, standing }: Watched, add: (key: string) => void): void {
  const isOfPreflight = (config: ModuleImagesConfig): boolean => findPreflight(config) !== undefined
  const addAll = (configs: readonly ModuleImagesConfig[]): void => {
    for (const config of configs.filter(isOfPreflight)) add(keyOf(config))
  }
  caches.moduleImagesConfigs.onChange(({ key, after }) => {
    if (after !== undefined) return addAll([after])
    facts.delete(key)
    standing.delete(key)
    turns.giveUp(key)
  })
  caches.modules.onChange(({ key, before, after }) => {
    if (after !== undefined && !isSameWish(before, after))
      addAll(caches.moduleImagesConfigs.byIndex(imagesByModule, key))
  })
  caches.preflightValidations.onChange(({ before, after }) => {
    if (after === undefined || isSameWish(before, after)) return
    addAll(caches.moduleImagesConfigs.byIndex(imagesByPreflight, after.metadata.uid ?? ''))
  })
  caches.nodes.onChange((change) => {
    const configs = caches.moduleImagesConfigs.list().filter(isOfPreflight)
    addAll(configs.filter((config) => mayChangeArchitectures(change, config, caches.modules.get(findModule(config)))))
  })
}

/** Looks into images for preflights: that they have what the Module loads. Its key is the ModuleImagesConfig of a preflight. */
export function createContentController(tools: ContentTools): Controller<ObservedContent, LookAction> {
  const wakers: ((key: string) => void)[] = []
  const wake = (key: string): void => {
    for (const each of wakers) each(key)
  }
  const turns = createTurns(wake)
  const silent = createSilentRegistries(tools.now)
  const standing = new Map<string, Standing>()
  return {
    reconciler: {
      name: 'preflight-content',
      observe: (key) => observe(key, { ...tools, standing }),
      decide(observed, nowMs) {
        turns.giveUp(keyOf(observed.config))
        return decide(observed, nowMs)
      },
      async execute(action, { signal }) {
        const key = keyOf(action.config)
        const look = async (): Promise<void> => {
          remember(action, await lookInto(action.wish, action, { ...tools, silent, signal }), tools)
          wake(key)
        }
        await turns.take(key, look, action.mayWait)
      },
    },
    concurrency: 16,
    watch(add) {
      wakers.push(add)
      watch({ ...tools, turns, standing }, add)
    },
  }
}
