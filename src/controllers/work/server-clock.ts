/** How far the operator's clock is ahead of the API server's, in milliseconds; 0 where it is not known, or next to nothing. */
export interface ServerClock {
  aheadMs: number
}

/** Times of the API server are of whole seconds, and its answer takes a while. */
const unremarkableMs = 5_000

/** Learns from the time that the API server gave to what was created just now. */
export function learnServerClock(clock: ServerClock, createdAt: string | undefined, nowMs: number): void {
  const createdAtMs = Date.parse(createdAt ?? '')
  if (Number.isNaN(createdAtMs)) return
  const aheadMs = nowMs - createdAtMs
  clock.aheadMs = Math.abs(aheadMs) < unremarkableMs ? 0 : aheadMs
}
