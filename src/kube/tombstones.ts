import type { Clock } from './clock.ts'
import type { KubeObject } from './object.ts'
import { isNotNewer } from './resource-version.ts'

/** Remembers objects that are gone, so that late news of them do not bring them back. */
export interface Tombstones {
  /**
   * Notes that the object with this uid is gone as of `resourceVersion`. `deleted` says that it was deleted, and did not
   * merely leave the selection: then it can only be heard of again as an object that is marked for deletion.
   */
  add(uid: string, resourceVersion: string, deleted: boolean): void
  /** True when the object is older than its tombstone. */
  covers(object: KubeObject): boolean
  /** Forgets what was noted before the mark that `mark` answered. */
  forgetBefore(mark: number): void
  mark(): number
}

interface Tombstone {
  resourceVersion: string
  deleted: boolean
  order: number
  atMs: number
}

// Longer than any answer or event can be under way.
const keptMs = 10 * 60_000

/** An empty memory. */
export function createTombstones(clock: Clock): Tombstones {
  const byUid = new Map<string, Tombstone>()
  let order = 0
  const forgetOld = (): void => {
    for (const [uid, { atMs }] of byUid) {
      if (clock.monotonic() - atMs <= keptMs) return
      byUid.delete(uid)
    }
  }
  return {
    add: (uid, resourceVersion, deleted) => {
      if (uid === '') return
      forgetOld()
      // Deleting first keeps the map in the order of time.
      byUid.delete(uid)
      byUid.set(uid, { resourceVersion, deleted, order: order++, atMs: clock.monotonic() })
    },
    covers: (object) => {
      const { uid = '', resourceVersion = '', deletionTimestamp } = object.metadata ?? {}
      const tombstone = byUid.get(uid)
      if (!tombstone) return false
      if (isNotNewer(resourceVersion, tombstone.resourceVersion)) return true
      return tombstone.deleted && deletionTimestamp === undefined
    },
    forgetBefore: (mark) => {
      for (const [uid, tombstone] of byUid) if (tombstone.order < mark) byUid.delete(uid)
    },
    mark: () => order,
  }
}
