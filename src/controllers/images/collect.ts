import type { ImageAction } from './action.ts'
import type { Job } from './job/job.ts'
import type { ObservedImage } from './observed.ts'

/** Deletes pods that are of no more use: those that succeeded only after `job.gcDelay`, and says when that is over. */
export function collect(
  { config, settings }: ObservedImage,
  jobs: readonly Job[],
  nowMs: number,
): { actions: ImageAction[]; againAtMs?: number } {
  const dueMs = ({ state }: Job): number =>
    // Without a delay the node's clock does not count.
    state.kind === 'succeeded' && settings.gcDelayMs > 0 ? state.finishedAtMs + settings.gcDelayMs : nowMs
  const present = jobs.filter(({ deleting, hash }) => !deleting && hash !== '')
  const later = present.map(dueMs).filter((due) => due > nowMs)
  return {
    actions: present
      .filter((job) => dueMs(job) <= nowMs)
      .map((job): ImageAction => ({ type: 'deleteJob', config, job })),
    ...(later.length === 0 ? {} : { againAtMs: Math.min(...later) }),
  }
}
