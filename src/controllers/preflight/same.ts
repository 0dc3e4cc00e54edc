import type { ObjectMeta } from '../../api/object-meta.ts'

/** True where only a status was written: that concerns no preflight. One that was deleted and made again is another. */
export function isSame(before: { metadata: ObjectMeta } | undefined, after: typeof before): boolean {
  if (before === undefined || after === undefined) return false
  const { uid, generation, deletionTimestamp } = before.metadata
  const { metadata } = after
  return uid === metadata.uid && generation === metadata.generation && deletionTimestamp === metadata.deletionTimestamp
}
