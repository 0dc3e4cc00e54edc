import type { ImageStatus, ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import type { ReportReason } from '../../errors/reason.ts'
import { formatKey, parseKey } from '../../kube/object.ts'
import { type Caches, imagesByModule, podsByJobType, podsByModule } from '../cluster/caches.ts'
import { findModule, findPreflight, isPushed } from '../cluster/images-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { jobOfPod } from './job/job-of-pod.ts'
import { isAtWork, type Job, jobTypes } from './job/job.ts'
import { createFacts, type Facts, type ObservedImages, type SharedJob } from './observed.ts'
import { observeSlots, type SlotUse } from './slots.ts'

/** What `images` reads from. */
export interface ImagesSources {
  caches: Caches
  /** What this process has found out, by ModuleImagesConfig. */
  facts: Map<string, Facts>
  /** Build pods that are being made this moment, and that the cache does not show yet. */
  creating: ReadonlySet<string>
  startedAtMs: number
  now: () => number
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

/** The Modules (`namespace/name`) whose images will not do, says a preflight: somebody may push better ones. */
export function listRefused(preflight: PreflightValidation | undefined): Set<string> {
  const entries = preflight?.status?.modules ?? []
  const refused = entries.filter(({ verificationStatus }) => verificationStatus === 'Failure')
  return new Set(refused.map(({ namespace, name }) => `${namespace}/${name}`))
}

function isConfigDoubted(config: ModuleImagesConfig, caches: Caches): boolean {
  const [preflight, module] = [findPreflight(config), findModule(config)]
  if (preflight === undefined) return isImageDoubted(caches.modules.get(module))
  return listRefused(caches.preflightValidations.get({ name: preflight.name })).has(formatKey(module))
}

/** An upstream operator's pods belong to an object of its own, of the same name. */
const isOwned = (pod: PodView, { metadata }: ModuleImagesConfig): boolean =>
  pod.ownerUids.includes(metadata.uid ?? '') || pod.ownerKinds.includes('ModuleBuildSignConfig')

function listJobs(config: ModuleImagesConfig, caches: Caches): Job[] {
  const { namespace, name } = config.metadata
  return caches.pods
    .byIndex(podsByModule, `${namespace}/${name}`)
    .filter((pod) => isOwned(pod, config))
    .flatMap((pod) => jobOfPod(pod, caches.nodes.get({ name: pod.nodeName })) ?? [])
}

type JobCaches = Pick<Caches, 'pods' | 'nodes' | 'moduleImagesConfigs'>

function findMaker({ ownerUids }: PodView, config: ModuleImagesConfig, caches: JobCaches): SharedJob['maker'] {
  const module = formatKey(findModule(config))
  const configs = caches.moduleImagesConfigs.list()
  const owner = configs.find(({ metadata }) => ownerUids.includes(metadata.uid ?? ''))
  if (owner === undefined) return 'another Module'
  if (findPreflight(owner) !== undefined) return 'a preflight'
  return formatKey(findModule(owner)) === module ? 'the Module itself' : 'another Module'
}

/**
 * Pods at work of other ModuleImagesConfigs in the namespace that make one of the images, too. Other namespaces are other people's: what
 * they do holds nobody up. Nor does a pod that pushes nothing, where something is to be pushed.
 */
export function listSharedJobs(config: ModuleImagesConfig, caches: JobCaches): SharedJob[] {
  const { namespace } = config.metadata
  const images = new Set(config.spec?.images?.map(({ image }) => image))
  const others = jobTypes
    .flatMap((type) => caches.pods.byIndex(podsByJobType, type))
    .filter((pod) => pod.namespace === namespace && !isOwned(pod, config))
  return others.flatMap((pod) => {
    const job = jobOfPod(pod, caches.nodes.get({ name: pod.nodeName }))
    if (job === undefined || !images.has(job.image) || job.hash === '' || !isAtWork(job)) return []
    return isPushed(config) && !job.isPushed ? [] : [{ ...job, maker: findMaker(pod, config, caches) }]
  })
}

/** What is known of images where somebody else asks for them on behalf of the same Module. */
function listRelatives(config: ModuleImagesConfig, { moduleImagesConfigs }: Caches): ImageStatus[] {
  const others = moduleImagesConfigs.byIndex(imagesByModule, formatKey(findModule(config)))
  return others
    .filter(({ metadata }) => metadata.uid !== config.metadata.uid)
    .flatMap(({ status }) => status?.images ?? [])
}

const noBuilds: SlotUse = { activeBuilds: 0, isAwaited: false }

/** Reads a ModuleImagesConfig, its pods, and what this process has found out about its images. */
export function observe(key: string, sources: ImagesSources): ObservedImages | undefined {
  const { caches, facts, startedAtMs } = sources
  const { namespace = '', name } = parseKey(key)
  const config = caches.moduleImagesConfigs.get({ namespace, name })
  if (config === undefined || config.metadata.deletionTimestamp !== undefined) return undefined
  const makes = config.spec?.images?.some(({ build, sign }) => build ?? sign) ?? false
  return {
    config,
    facts: facts.get(key) ?? createFacts(),
    jobs: listJobs(config, caches),
    relatives: listRelatives(config, caches),
    sharedJobs: makes ? listSharedJobs(config, caches) : [],
    ...(makes ? observeSlots(config, sources) : noBuilds),
    startedAtMs,
    isDoubted: isConfigDoubted(config, caches),
  }
}
