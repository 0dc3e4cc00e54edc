import { setTimeout as delay } from 'node:timers/promises'
import { KmmError } from '../errors/error.ts'

/** Time for registry clients; tests bring their own. `sleep` rejects when the signal is aborted. */
export interface Clock {
  now(): number
  sleep(ms: number, signal: AbortSignal | undefined): Promise<void>
}

/** The real time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {})
  },
}

/** How often and how patiently a request is repeated. `attempts` counts the first one too. */
export interface RetryPolicy {
  attempts: number
  firstDelayMs: number
  maximumDelayMs: number
  /** A server that asks to wait longer than this gets no further attempt. */
  maximumRetryAfterMs: number
  clock: Clock
  /** Gives numbers from 0 to 1, for jitter. */
  random: () => number
}

/** The policy where nothing else is said: four attempts within about four seconds. */
export const defaultRetryPolicy: RetryPolicy = {
  attempts: 4,
  firstDelayMs: 500,
  maximumDelayMs: 10_000,
  maximumRetryAfterMs: 30_000,
  clock: systemClock,
  random: Math.random,
}

/** What one attempt came to. `retry` carries the error to throw when there is no further attempt. */
export type Attempt<T> = { type: 'done'; value: T } | { type: 'retry'; error: KmmError; retryAfterMs?: number }

/** The delay before attempt `failures + 1`: exponential, between half and all of it by chance. */
export function computeBackoff(policy: RetryPolicy, failures: number): number {
  const full = Math.min(policy.firstDelayMs * 2 ** (failures - 1), policy.maximumDelayMs)
  return full * (0.5 + policy.random() / 2)
}

/** Waits before the next attempt. Throws the error itself when the server asks for too long, Aborted on abort. */
export async function waitToRetry(
  policy: RetryPolicy,
  failures: number,
  failed: { error: KmmError; retryAfterMs?: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const asked = failed.retryAfterMs ?? 0
  if (asked > policy.maximumRetryAfterMs) throw failed.error
  try {
    await policy.clock.sleep(Math.max(asked, computeBackoff(policy, failures)), signal)
  } catch (cause) {
    throw createAborted(cause)
  }
}

/** Repeats `attempt` until it is done or the policy's attempts are used up; then throws the last error. */
export async function withRetries<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: () => Promise<Attempt<T>>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    const result = await attempt()
    if (result.type === 'done') return result.value
    if (failures >= policy.attempts) throw result.error
    await waitToRetry(policy, failures, result, signal)
  }
}

/** The error of work that its caller gave up. */
export function createAborted(cause: unknown): KmmError {
  return new KmmError('the request to the registry was given up', { code: 'Aborted', cause })
}

/** Reads Retry-After, seconds or a date, as milliseconds from `now`; undefined when absent or not understood. */
export function parseRetryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^[0-9]{1,9}$/.test(header.trim())) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
