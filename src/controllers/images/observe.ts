import type { ImageStatus, ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import type { PreflightValidation } from '../../api/preflight-validation.ts'
import type { ReportReason } from '../../errors/reason.ts'
import { formatKey, parseKey } from '../../kube/object.ts'
import { type Caches, imagesByModule, podsByJobType, podsByModule } from '../cluster/caches.ts'
import { findModule, findPreflight } from '../cluster/images-config.ts'
import type { PodView } from '../cluster/pod-view.ts'
import { jobOfPod } from './job/job-of-pod.ts'
import { isAtWork, type Job, jobTypes } from './job/job.ts'
import { createFacts, type Facts, type ObservedImages } from './observed.ts'

/** What `images` reads from. */
export interface ImagesSources {
  caches: Caches
  /** What this process has found out, by ModuleImagesConfig. */
  facts: Map<string, Facts>
  /** Build pods that are being made this moment, and that the cache does not show yet. */
  creating: ReadonlySet<string>
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

/**
 * Pods at work of other Modules in the namespace that make one of the images, too. Other namespaces are other people's: what they
 * do holds nobody up.
 */
export function listSharedJobs(config: ModuleImagesConfig, caches: Pick<Caches, 'pods' | 'nodes'>): Job[] {
  const { namespace } = config.metadata
  const images = new Set(config.spec?.images?.map(({ image }) => image))
  const others = jobTypes
    .flatMap((type) => caches.pods.byIndex(podsByJobType, type))
    .filter((pod) => pod.namespace === namespace && !isOwned(pod, config))
  return others
    .flatMap((pod) => jobOfPod(pod, caches.nodes.get({ name: pod.nodeName })) ?? [])
    .filter((job) => images.has(job.image) && job.hash !== '' && isAtWork(job))
}

/** What is known of images where somebody else asks for them on behalf of the same Module. */
function listRelatives(config: ModuleImagesConfig, { moduleImagesConfigs }: Caches): ImageStatus[] {
  const others = moduleImagesConfigs.byIndex(imagesByModule, formatKey(findModule(config)))
  return others
    .filter(({ metadata }) => metadata.uid !== config.metadata.uid)
    .flatMap(({ status }) => status?.images ?? [])
}

/** Build pods of all Modules that still take room. */
export function countActiveBuilds({ caches, creating }: Pick<ImagesSources, 'caches' | 'creating'>): number {
  const seen = caches.pods.byIndex(podsByJobType, 'BuildImage').flatMap((pod) => {
    const job = jobOfPod(pod, caches.nodes.get({ name: pod.nodeName }))
    // One that cannot start takes no room from those that can.
    const isStuck = job?.state.kind === 'pending' && job.state.message !== ''
    return job !== undefined && isAtWork(job) && !isStuck ? [job] : []
  })
  return seen.length + creating.size
}

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
    activeBuilds: makes ? countActiveBuilds(sources) : 0,
    startedAtMs,
    isDoubted: isConfigDoubted(config, caches),
  }
}
