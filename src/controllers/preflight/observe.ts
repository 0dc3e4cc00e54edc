import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { keyOf } from '../../kube/object.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import { type Caches, imagesByPreflight } from '../cluster/caches.ts'
import { findModule, findPreflight } from '../cluster/images-config.ts'
import { nameConfig } from './config-name.ts'
import type { ContentFact } from './content/observed.ts'
import type { CheckedModule, ObservedPreflight, Refusal } from './observed.ts'

/** What `preflight` reads from. */
export interface PreflightSources {
  caches: Pick<Caches, 'preflightValidations' | 'modules' | 'moduleImagesConfigs'>
  resolver: MappingResolver
  /** What was seen in images, by ModuleImagesConfig. */
  facts: ReadonlyMap<string, ContentFact>
  /** By ModuleImagesConfig. */
  refusals: ReadonlyMap<string, Refusal>
  /** When each PreflightValidation's status was last written (epoch), by its uid. */
  lastWrites: ReadonlyMap<string, number>
}

const isPresent = ({ metadata }: Pick<Module, 'metadata'>): boolean => metadata.deletionTimestamp === undefined

/** True for a name in the Module's namespace that is not for this preflight to use. */
function isTaken(module: Module, uid: string, { modules, moduleImagesConfigs }: PreflightSources['caches']) {
  const { namespace } = module.metadata
  return (name: string): boolean => {
    if (modules.get({ namespace, name }) !== undefined) return true
    const config = moduleImagesConfigs.get({ namespace, name })
    if (config === undefined) return false
    return findPreflight(config)?.uid !== uid || findModule(config).name !== module.metadata.name
  }
}

function checkModule(
  module: Module,
  { uid, kernelVersion }: { uid: string; kernelVersion: string },
  sources: PreflightSources,
): CheckedModule {
  const { namespace } = module.metadata
  const { caches, resolver, facts, refusals } = sources
  const configName = nameConfig(module.metadata, uid, isTaken(module, uid, caches))
  const key = `${namespace}/${configName}`
  const config = caches.moduleImagesConfigs.get({ namespace, name: configName })
  return {
    module,
    mapping: answerMapping(resolver, module, kernelVersion),
    configName,
    config: config !== undefined && isPresent(config) ? config : undefined,
    content: facts.get(key),
    refusal: refusals.get(key),
  }
}

const isNeeded = ({ mapping }: CheckedModule): boolean => mapping.kind === 'resolved'

/** Reads all Modules for one PreflightValidation; undefined for one that is not there, or about to go. */
export function observe(key: string, sources: PreflightSources): ObservedPreflight | undefined {
  const { caches, lastWrites } = sources
  const preflight = caches.preflightValidations.get({ name: key })
  if (preflight === undefined || preflight.metadata.deletionTimestamp !== undefined) return undefined
  const { uid = '' } = preflight.metadata
  const { kernelVersion } = preflight.spec
  const modules = caches.modules
    .list()
    .filter(isPresent)
    .toSorted((left, right) => (keyOf(left) < keyOf(right) ? -1 : 1))
    .map((module) => checkModule(module, { uid, kernelVersion }, sources))
  const used = new Set(modules.filter(isNeeded).map(({ config }) => config?.metadata.uid))
  const leftOver = caches.moduleImagesConfigs
    .byIndex(imagesByPreflight, uid)
    .filter((config: ModuleImagesConfig) => isPresent(config) && !used.has(config.metadata.uid))
  return { preflight, modules, leftOver, lastWriteMs: lastWrites.get(uid) ?? 0 }
}
