import type { ImageStatus, ModuleImagesConfig } from '../../src/api/module-images-config.ts'
import type { Module } from '../../src/api/module.ts'
import type { PreflightModuleStatus, PreflightValidation } from '../../src/api/preflight-validation.ts'
import { decide } from '../../src/controllers/preflight/decide.ts'
import type { ContentFact, ContentResult } from '../../src/controllers/preflight/content/observed.ts'
import { findWish, formatWish } from '../../src/controllers/preflight/content/wish.ts'
import { observe } from '../../src/controllers/preflight/observe.ts'
import type { ObservedPreflight, Refusal } from '../../src/controllers/preflight/observed.ts'
import { createMappingResolver } from '../../src/kernel/resolver.ts'
import { fillCaches } from './caches.ts'

/** The kernel of the tests' PreflightValidation. */
export const nextKernel = '6.1.0-2-amd64'

export const digest = `sha256:${'d'.repeat(64)}`

/** The PreflightValidation `next`, with a status where entries are given. */
export function buildPreflight(
  spec: Partial<PreflightValidation['spec']> = {},
  modules?: readonly PreflightModuleStatus[],
): PreflightValidation {
  return {
    metadata: { name: 'next', uid: 'uid-next', generation: 1, resourceVersion: '5' },
    spec: { kernelVersion: nextKernel, ...spec },
    ...(modules ? { status: { modules: [...modules] } } : {}),
  }
}

/** What stands in a cluster, and what this process knows. */
export interface PreflightParts {
  preflight?: PreflightValidation
  modules?: readonly Module[]
  configs?: readonly ModuleImagesConfig[]
  facts?: ReadonlyMap<string, ContentFact>
  refusals?: ReadonlyMap<string, Refusal>
  lastWriteMs?: number
}

/** What the controller sees of the PreflightValidation `next`. */
export function observePreflight(parts: PreflightParts): ObservedPreflight | undefined {
  const { preflight = buildPreflight(), modules = [], configs = [], facts, refusals, lastWriteMs } = parts
  const caches = fillCaches({ modules, moduleImagesConfigs: configs, preflightValidations: [preflight] })
  return observe('next', {
    caches,
    resolver: createMappingResolver(),
    facts: facts ?? new Map(),
    refusals: refusals ?? new Map(),
    lastWrites: new Map(lastWriteMs === undefined ? [] : [['uid-next', lastWriteMs]]),
  })
}

/** The ModuleImagesConfig that the controller would make for the only Module, with a status of its image. */
export function buildAsked(
  parts: PreflightParts,
  status?: Partial<ImageStatus> & Pick<ImageStatus, 'phase'>,
): ModuleImagesConfig {
  const observed = observePreflight({ ...parts, configs: [] })
  const actions = observed === undefined ? [] : decide(observed, 0).actions
  const made = actions.find((action) => action.type === 'createImages')
  if (made?.type !== 'createImages') throw new Error(`nothing is asked for: ${JSON.stringify(actions)}`)
  const { metadata, spec } = made.config
  const [image] = spec?.images ?? []
  const known = { image: image?.image ?? '', kernelVersion: image?.kernelVersion ?? '' }
  return {
    ...made.config,
    metadata: { ...metadata, uid: `uid-${metadata.name}`, resourceVersion: '7' },
    ...(status ? { status: { images: [{ ...known, ...status }], imagesStates: [] } } : {}),
  }
}

/** What somebody saw in the image of a ModuleImagesConfig. */
export function buildFact(
  config: ModuleImagesConfig,
  module: Module,
  result: ContentResult,
  wasKnown = false,
): ReadonlyMap<string, ContentFact> {
  const wish = findWish(config, module, nextKernel)
  if (wish === undefined) throw new Error('there is nothing to see in the image')
  const { namespace, name } = config.metadata
  const fact = { key: formatWish(wish, config), architectures: ['amd64'], result, atMs: 0, attempts: 0, wasKnown }
  return new Map([[`${namespace}/${name}`, fact]])
}
