import type { Module } from '../../api/module.ts'
import type { ReportReason } from '../../errors/reason.ts'
import { parseKey } from '../../kube/object.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Check, ObservedImages } from './observed.ts'

/** What `images` reads from. */
export interface ImagesSources {
  caches: Caches
  checks: ReadonlyMap<string, ReadonlyMap<string, Check>>
  startedAtMs: number
}

/** Failures of workers that end when somebody pushes a better image under the same name. */
const mendedByImage: ReadonlySet<string> = new Set<ReportReason>([
  'ImageNotFound',
  'ImageInvalid',
  'ModuleNotInImage',
  'KernelMismatch',
  'SignatureRejected',
  'UnknownSymbol',
  'FirmwareMissing',
])

/** True when a worker of the Module fails with something that a new image could mend. */
export function isImageDoubted(module: Module | undefined): boolean {
  return module?.status?.reasons?.some(({ reason }) => mendedByImage.has(reason)) ?? false
}

/** Reads a ModuleImagesConfig and what the registry said of its images in this process. */
export function observe(key: string, { caches, checks, startedAtMs }: ImagesSources): ObservedImages | undefined {
  const { namespace = '', name } = parseKey(key)
  const config = caches.moduleImagesConfigs.get({ namespace, name })
  if (config === undefined || config.metadata.deletionTimestamp !== undefined) return undefined
  const isDoubted = isImageDoubted(caches.modules.get({ namespace, name }))
  return { config, checks: checks.get(key) ?? new Map(), startedAtMs, isDoubted }
}
