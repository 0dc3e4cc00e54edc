import type { ObjectMeta } from '../../api/object-meta.ts'

/**
 * True where an object asks for what it asked for before: only status, labels or annotations were written. One that was deleted
 * and made again is another, though both have generation 1.
 */
export function isSameWish(before: { metadata: ObjectMeta } | undefined, after: typeof before): boolean {
  if (before === undefined || after === undefined) return false
  const { uid, generation, deletionTimestamp } = before.metadata
  const { metadata } = after
  return uid === metadata.uid && generation === metadata.generation && deletionTimestamp === metadata.deletionTimestamp
}
