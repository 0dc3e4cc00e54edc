const firstRetryMs = 5_000
const longestRetryMs = 300_000
const firstAttemptPauseMs = 10_000

/** How long after the n-th lookup in a row that did not find an image the next one is made. */
export const retryAfter = (attempts: number): number =>
  Math.min(firstRetryMs * 2 ** Math.min(attempts - 1, 10), longestRetryMs)

/** How long after the n-th failed build or sign pod the next one is made. */
export const pauseAfter = (attempt: number): number =>
  Math.min(firstAttemptPauseMs * 2 ** Math.min(attempt - 1, 10), longestRetryMs)

/** A share of `range` that is the same for the same text, so that many things are not asked about at once. */
export function jitter(text: string, range: number): number {
  let hash = 0
  for (const character of text) hash = (hash * 31 + (character.codePointAt(0) ?? 0)) % 65_536
  return Math.floor((hash / 65_536) * range)
}

/** A moment as Kubernetes writes it, in whole seconds. */
export const formatTime = (ms: number): string =>
  new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')
