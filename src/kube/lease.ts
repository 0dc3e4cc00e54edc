import type { Lease } from 'kubernetes-types/coordination/v1.js'
import { hasCode, KmmError } from '../errors/error.ts'
import { type Clock, sleep } from './clock.ts'
import { type LeaseIdentity, readLease, releaseLease, writeLease } from './lease-record.ts'

/** How to lead. Durations are upstream's: 15, 10 and 2 seconds (upstream: leader election). */
export interface LeaseOptions extends Omit<LeaseIdentity, 'leaseMs'> {
  clock: Clock
  random?: () => number
  /** Ends the leadership, or the wait for it. */
  signal: AbortSignal
  /**
   * What the leader does. `leading` is aborted when leadership ends, for whatever reason; the Lease is given up only
   * after `lead` has resolved, so it must stop acting before. `holds` tells at any moment, also after the process was
   * frozen for a while, whether the Lease is still surely ours; ask it before each write.
   */
  lead: (leading: AbortSignal, holds: () => boolean) => Promise<void>
  /** Told of failed attempts; they are repeated. */
  onError?: (error: unknown) => void
  /** Told who holds the Lease, whenever that changes. */
  onHolder?: (identity: string) => void
  /** For how long others leave a Lease alone that is not renewed. */
  leaseMs?: number
  /** The leader stops when it could not renew for so long; shorter than `leaseMs`, which leaves time to stop. */
  renewWithinMs?: number
  /** Between attempts to take or renew it. */
  retryMs?: number
}

interface Election extends LeaseIdentity {
  clock: Clock
  random: () => number
  retryMs: number
  renewWithinMs: number
  onError: (error: unknown) => void
  onHolder: (identity: string) => void
}

/** A moment on both clocks: the monotonic one stands still while a machine is suspended, the wall clock may be set. */
interface Moment {
  wallMs: number
  steadyMs: number
}

function now(clock: Clock): Moment {
  return { wallMs: clock.now(), steadyMs: clock.monotonic() }
}

function elapsedMs(since: Moment, clock: Clock): number {
  return Math.max(clock.now() - since.wallMs, clock.monotonic() - since.steadyMs)
}

/** A Lease that is ours, and since when it was surely so. */
interface Held {
  lease: Lease
  renewed: Moment
}

/** What was last seen of a Lease of somebody else; its times are by a clock that may differ from ours. */
interface Sighting {
  version: string
  steadyMs: number
}

function pause(election: Election, signal: AbortSignal, longestMs = Number.POSITIVE_INFINITY): Promise<void> {
  const { clock, retryMs, random } = election
  return sleep(clock, Math.min(retryMs * (1 + random() * 0.2), longestMs), signal)
}

function isTaken(lease: Lease, sighting: Sighting, { identity, clock, leaseMs }: Election): boolean {
  const { holderIdentity = '', leaseDurationSeconds } = lease.spec ?? {}
  if (holderIdentity === '' || holderIdentity === identity) return false
  const durationMs = leaseDurationSeconds === undefined ? leaseMs : leaseDurationSeconds * 1_000
  return clock.monotonic() - sighting.steadyMs < durationMs
}

async function tryToTake(election: Election, sighting: Sighting, signal: AbortSignal): Promise<Held | undefined> {
  const { clock, onHolder, identity } = election
  const lease = await readLease(election, signal)
  const version = lease?.metadata?.resourceVersion ?? ''
  if (version !== sighting.version) Object.assign(sighting, { version, steadyMs: clock.monotonic() })
  if (lease && isTaken(lease, sighting, election)) {
    onHolder(lease.spec?.holderIdentity ?? '')
    return undefined
  }
  const renewed = now(clock)
  const taken = await writeLease(election, lease, renewed.wallMs, signal)
  onHolder(identity)
  return { lease: taken, renewed }
}

/** Waits until the Lease is ours; undefined when the signal ends the wait. */
async function take(election: Election, signal: AbortSignal): Promise<Held | undefined> {
  const sighting: Sighting = { version: '', steadyMs: election.clock.monotonic() }
  while (!signal.aborted) {
    try {
      const held = await tryToTake(election, sighting, signal)
      if (held) return held
    } catch (error) {
      // Somebody else was faster.
      if (!signal.aborted && !hasCode(error, 'Conflict', 'AlreadyExists')) election.onError(error)
    }
    await pause(election, signal)
  }
  return undefined
}

/** Renews once. Throws `Aborted` with fate terminal when somebody else has taken the Lease. */
async function renew(election: Election, held: Held, signal: AbortSignal): Promise<void> {
  const renewed = now(election.clock)
  try {
    held.lease = await writeLease(election, held.lease, renewed.wallMs, signal)
  } catch (error) {
    if (!hasCode(error, 'Conflict', 'NotFound')) throw error
    // Somebody edited the Lease, or took it.
    const lease = await readLease(election, signal)
    const holder = lease?.spec?.holderIdentity ?? ''
    if (holder !== '' && holder !== election.identity)
      throw new KmmError(`${holder} has taken the lease`, { code: 'Aborted', fate: 'terminal', cause: error })
    held.lease = await writeLease(election, lease, renewed.wallMs, signal)
  }
  held.renewed = renewed
}

function holds(election: Election, held: Held): boolean {
  return elapsedMs(held.renewed, election.clock) < election.renewWithinMs
}

/** Renews until the signal is aborted (answers true), or until the Lease is no longer surely ours (false). */
async function keep(election: Election, held: Held, signal: AbortSignal): Promise<boolean> {
  const { clock, renewWithinMs, onError } = election
  const getLeftMs = (): number => renewWithinMs - elapsedMs(held.renewed, clock)
  while (!signal.aborted) {
    await pause(election, signal, getLeftMs())
    if (signal.aborted) return true
    const leftMs = getLeftMs()
    if (leftMs <= 0) return false
    const attempt = new AbortController()
    const timer = clock.setTimeout(() => attempt.abort(), leftMs)
    try {
      await renew(election, held, attempt.signal)
    } catch (error) {
      if (hasCode(error, 'Aborted') && error.fate === 'terminal') return false
      onError(error)
    } finally {
      timer.cancel()
    }
  }
  return true
}

async function lead(election: Election, held: Held, { signal, lead: act }: LeaseOptions): Promise<boolean> {
  const leading = new AbortController()
  const renewing = new AbortController()
  const end = (): void => leading.abort()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  const acting = act(leading.signal, () => !leading.signal.aborted && holds(election, held)).finally(() =>
    renewing.abort(),
  )
  try {
    // It is renewed until `act` has ended, so that nobody else acts while we wind down.
    const kept = await keep(election, held, renewing.signal)
    end()
    await acting
    return kept
  } finally {
    signal.removeEventListener('abort', end)
  }
}

async function release(election: Election, held: Held): Promise<void> {
  const { clock, onError, renewWithinMs } = election
  const attempt = new AbortController()
  const timer = clock.setTimeout(() => attempt.abort(), renewWithinMs)
  try {
    await releaseLease(election, held.lease, clock.now(), attempt.signal)
  } catch (error) {
    onError(error)
  } finally {
    timer.cancel()
  }
}

/**
 * Waits for the Lease, leads while it can be renewed, and gives it up at the end. Resolves when the signal was aborted
 * or `lead` ended by itself. Throws `TimedOut` when the Lease was lost: then the program should end and be started
 * again, with nothing remembered.
 */
export async function runWithLease(options: LeaseOptions): Promise<void> {
  const { client, namespace, name, identity, clock } = options
  let holder = ''
  const election: Election = {
    client,
    namespace,
    name,
    identity,
    clock,
    random: options.random ?? Math.random,
    leaseMs: options.leaseMs ?? 15_000,
    renewWithinMs: options.renewWithinMs ?? 10_000,
    retryMs: options.retryMs ?? 2_000,
    onError: options.onError ?? (() => undefined),
    onHolder: (found) => {
      if (found !== holder) options.onHolder?.(found)
      holder = found
    },
  }
  const held = await take(election, options.signal)
  if (!held) return
  let kept = true
  try {
    kept = await lead(election, held, options)
  } finally {
    if (kept) await release(election, held)
  }
  if (!kept)
    throw new KmmError(
      `lost the lease ${namespace}/${name}: it could not be renewed in time or was taken by another replica, so this one stops acting; it is to be started again`,
      { code: 'TimedOut', fate: 'terminal' },
    )
}
