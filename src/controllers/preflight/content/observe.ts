import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Module } from '../../../api/module.ts'
import type { PreflightValidation } from '../../../api/preflight-validation.ts'
import { parseKey } from '../../../kube/object.ts'
import { listArchitectures } from '../../cluster/architectures.ts'
import type { Caches } from '../../cluster/caches.ts'
import { findModule, findPreflight } from '../../cluster/images-config.ts'
import { matchesSelector, type NodeView } from '../../cluster/node-view.ts'
import { jitter } from '../../images/timing.ts'
import { isOfImage } from '../verdict.ts'
import type { ContentFact, ContentWish, ObservedContent } from './observed.ts'
import { findKernel, findWish, formatWish } from './wish.ts'

/** What stands in statuses is looked into again at one image in so long after a start of the operator, but within ten minutes. */
const spreadMs = 1_000
const longestSpreadMs = 600_000
/** So few need not be spread. */
const fewImages = 10

/** When an image whose result stands is looked into again. */
export interface Standing {
  /** The wish that it stands for, empty for none: another one is looked into at once. */
  key: string
  dueMs: number
}

/** What is read. */
export interface ContentSources {
  caches: Pick<Caches, 'modules' | 'nodes' | 'moduleImagesConfigs' | 'preflightValidations'>
  facts: ReadonlyMap<string, ContentFact>
  /** By ModuleImagesConfig; filled here. */
  standing: Map<string, Standing>
  now: () => number
}

/** Whether the status says already what came of it. */
function isDone(
  { status }: PreflightValidation,
  { metadata: { namespace, name } }: Module,
  { image }: ContentWish,
): boolean {
  const entry = status?.modules?.find((each) => each.namespace === namespace && each.name === name)
  return entry !== undefined && isOfImage(entry, image)
}

function findStanding(key: string, wish: string, { caches, standing, now }: ContentSources): Standing {
  const known = standing.get(key)
  if (known !== undefined) return known
  const images = caches.moduleImagesConfigs.list().filter((config) => findPreflight(config) !== undefined).length
  const rangeMs = Math.min(Math.max(0, images - fewImages) * spreadMs, longestSpreadMs)
  const first = { key: wish, dueMs: now() + jitter(key, rangeMs) }
  standing.set(key, first)
  return first
}

/** The PreflightValidation for which a ModuleImagesConfig is there; undefined for one that is gone or about to go. */
function findOwner(config: ModuleImagesConfig, { caches }: ContentSources): PreflightValidation | undefined {
  const owner = findPreflight(config)
  const preflight = owner && caches.preflightValidations.get({ name: owner.name })
  const isOwner = preflight?.metadata.uid === owner?.uid && preflight?.metadata.deletionTimestamp === undefined
  return isOwner ? preflight : undefined
}

/** Reads what concerns the ModuleImagesConfig of a preflight; undefined where there is nothing to look into for anybody. */
export function observe(key: string, sources: ContentSources): ObservedContent | undefined {
  const { caches, facts } = sources
  const config = caches.moduleImagesConfigs.get(parseKey(key))
  const preflight = config && findOwner(config, sources)
  const module = config && caches.modules.get(findModule(config))
  if (config === undefined || preflight === undefined || module === undefined) return undefined
  const wish = findWish(config, module, preflight.spec.kernelVersion)
  const base = { config, module, wish, fact: facts.get(key) }
  // Also without a wish: what is wanted only later is looked into at once.
  const standing = findStanding(key, formatOptional(wish, config), sources)
  if (wish === undefined) return { ...base, architectures: [], standingUntilMs: undefined }
  const stands = base.fact === undefined && standing.key === formatWish(wish, config) && isDone(preflight, module, wish)
  const architectures = listArchitectures(findKernel(config, wish), module, caches)
  return { ...base, architectures, standingUntilMs: stands ? standing.dueMs : undefined }
}

const formatOptional = (wish: ContentWish | undefined, config: ModuleImagesConfig): string =>
  wish === undefined ? '' : formatWish(wish, config)

/** What of a node may be of interest to the image of a Module: its architecture, where it has the kernel or the Module selects it. */
function describeNode(node: NodeView | undefined, kernel: string, module: Module | undefined): string {
  if (node === undefined) return ''
  const hasKernel = node.kernelVersion === kernel || node.kernelVersion === `${kernel}+`
  const isSelected = matchesSelector(node.labels, module?.spec?.selector ?? {})
  return hasKernel || isSelected ? `${node.architecture} ${hasKernel} ${isSelected}` : ''
}

/** True where a change of a node may change the architectures of an image. */
export function mayChangeArchitectures(
  { before, after }: { before?: NodeView | undefined; after?: NodeView | undefined },
  config: ModuleImagesConfig,
  module: Module | undefined,
): boolean {
  const kernel = config.spec?.images?.[0]?.kernelVersion ?? ''
  return describeNode(before, kernel, module) !== describeNode(after, kernel, module)
}
