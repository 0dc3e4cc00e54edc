import type { ImageStatus, ModuleImagesConfig } from '../../api/module-images-config.ts'
import { type Caches, podsByJobType } from '../cluster/caches.ts'
import { findPreflight } from '../cluster/images-config.ts'
import { jobOfPod } from './job/job-of-pod.ts'
import { isAtWork } from './job/job.ts'

/** What tells how much room there is for build pods. */
export interface SlotSources {
  caches: Pick<Caches, 'pods' | 'nodes' | 'moduleImagesConfigs'>
  /** Build pods that are being made this moment, and that the cache does not show yet. */
  creating: ReadonlySet<string>
  now: () => number
}

/** How the room for build pods is taken, as one ModuleImagesConfig sees it. */
export interface SlotUse {
  /** How many build pods of all Modules are not done. */
  activeBuilds: number
  /** Modules' own images wait for their turn, and this one is of a preflight. */
  isAwaited: boolean
}

/** Build pods of all Modules that still take room. */
function countActiveBuilds({ caches, creating }: SlotSources): number {
  const seen = caches.pods.byIndex(podsByJobType, 'BuildImage').flatMap((pod) => {
    const job = jobOfPod(pod, caches.nodes.get({ name: pod.nodeName }))
    // One that cannot start takes no room from those that can.
    const isStuck = job?.state.kind === 'pending' && job.state.message !== ''
    return job !== undefined && isAtWork(job) && !isStuck ? [job] : []
  })
  return seen.length + creating.size
}

/** A first attempt that waits says so; a later one still tells of the one before, whose pause is over. */
const isDue = ({ phase, reason, retryAt }: ImageStatus, nowMs: number): boolean =>
  reason === 'JobQueued' || (phase === 'Failed' && retryAt !== undefined && Date.parse(retryAt) <= nowMs)

const isWaiting = (config: ModuleImagesConfig, nowMs: number): boolean =>
  findPreflight(config) === undefined && (config.status?.images?.some((image) => isDue(image, nowMs)) ?? false)

/** Reads how the room for build pods is taken. */
export function observeSlots(config: ModuleImagesConfig, sources: SlotSources): SlotUse {
  const isBehind = findPreflight(config) !== undefined
  const nowMs = sources.now()
  const isAwaited = isBehind && sources.caches.moduleImagesConfigs.list().some((each) => isWaiting(each, nowMs))
  return { activeBuilds: countActiveBuilds(sources), isAwaited }
}

/** True where a slot stays free for what nodes wait for. The only slot is taken as long as no node's image waits for it. */
export const isSlotKept = (config: ModuleImagesConfig, { isAwaited }: Pick<SlotUse, 'isAwaited'>, most: number) =>
  findPreflight(config) !== undefined && (most > 1 || isAwaited)

/** How many build pods a ModuleImagesConfig may have made now, where `most` may run at once. */
export const countFreeSlots = (config: ModuleImagesConfig, use: SlotUse, most: number): number =>
  most - use.activeBuilds - (isSlotKept(config, use, most) ? 1 : 0)
