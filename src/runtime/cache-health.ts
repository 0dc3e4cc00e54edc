/** What is looked at of a cache. */
export interface CacheCondition {
  /** The plural name of its kind. */
  name: string
  synced: boolean
  /** Since when the API server has not answered (epoch); undefined while it does. */
  disconnectedSinceMs: number | undefined
}

/** For so long a cache may be cut off before it counts as a fault: a restart of the API server is none. */
const toleratedMs = 60_000

/** What keeps caches from being the truth; undefined when nothing does. */
export function describeCacheFault(caches: readonly CacheCondition[], nowMs: number): string | undefined {
  const open = caches.filter(({ synced }) => !synced).map(({ name }) => name)
  if (open.length > 0) return `not synced yet: ${open.join(', ')}`
  const cutOff = caches.filter(({ disconnectedSinceMs: since }) => since !== undefined && nowMs - since > toleratedMs)
  if (cutOff.length === 0) return undefined
  const since = Math.min(...cutOff.map(({ disconnectedSinceMs }) => disconnectedSinceMs ?? nowMs))
  const names = cutOff.map(({ name }) => name).join(', ')
  return `the API server has not answered since ${new Date(since).toISOString()} for: ${names}`
}
