import { parseKey } from '../../kube/object.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Check, ObservedImages } from './observed.ts'

/** What `images` reads from. */
export interface ImagesSources {
  caches: Caches
  checks: ReadonlyMap<string, ReadonlyMap<string, Check>>
  startedAtMs: number
}

/** Reads a ModuleImagesConfig and what the registry said of its images in this process. */
export function observe(key: string, { caches, checks, startedAtMs }: ImagesSources): ObservedImages | undefined {
  const { namespace = '', name } = parseKey(key)
  const config = caches.moduleImagesConfigs.get({ namespace, name })
  if (config === undefined || config.metadata.deletionTimestamp !== undefined) return undefined
  return { config, checks: checks.get(key) ?? new Map(), startedAtMs }
}
