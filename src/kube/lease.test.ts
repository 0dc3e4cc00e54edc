import type { Lease } from 'kubernetes-types/coordination/v1.js'
import { expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import type { KubeClient } from './client.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { runWithLease, type LeaseOptions } from './lease.ts'

/** One Lease in memory, with the server's rules for resourceVersions. */
class LeaseServer {
  lease: Lease | undefined
  /** Who cannot reach the server. */
  cutOff: string[] = []
  writes: string[] = []
  /** Requests hang until they are aborted. */
  hangs = false
  #version = 0

  client(who: string): KubeClient {
    const unsupported = (): never => {
      throw new Error('only leases are served')
    }
    const answer = async (signal: AbortSignal | undefined, work: () => Lease): Promise<never> => {
      if (this.hangs)
        await new Promise((_, reject) =>
          signal?.addEventListener('abort', () => reject(new KmmError('stopped', { code: 'Aborted' }))),
        )
      if (this.cutOff.includes(who)) throw new KmmError('away', { code: 'Unreachable' })
      return structuredClone(work()) as never
    }
    const store = (lease: Lease): Lease => {
      this.writes.push(`${who}: ${lease.spec?.holderIdentity ?? ''}`)
      this.lease = structuredClone({
        ...lease,
        metadata: { ...lease.metadata, resourceVersion: String(++this.#version) },
      })
      return this.lease
    }
    return {
      list: unsupported,
      watch: unsupported,
      patch: unsupported,
      delete: unsupported,
      getRaw: unsupported,
      get: (_, __, signal) =>
        answer(signal, () => {
          if (this.lease) return this.lease
          throw new KmmError('none', { code: 'NotFound' })
        }),
      create: (_, object, options) =>
        answer(options?.signal, () => {
          if (this.lease) throw new KmmError('there', { code: 'AlreadyExists' })
          return store(object as Lease)
        }),
      replace: (_, object, options) =>
        answer(options?.signal, () => {
          if (object.metadata?.resourceVersion !== this.lease?.metadata?.resourceVersion)
            throw new KmmError('changed', { code: 'Conflict' })
          return store(object as Lease)
        }),
    }
  }
}

interface Candidate {
  leads: boolean
  holds: () => boolean
  stop: () => void
  /** Lets a leader end that was told to. */
  finish: () => void
  outcome: Promise<'ended' | KmmError>
}

function start(server: LeaseServer, clock: FakeClock, name: string, options: Partial<LeaseOptions> = {}): Candidate {
  const controller = new AbortController()
  let finish = (): void => undefined
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const candidate: Candidate = {
    leads: false,
    holds: () => false,
    stop: () => controller.abort(),
    finish: () => finish(),
    outcome: Promise.resolve('ended'),
  }
  candidate.outcome = runWithLease({
    client: server.client(name),
    namespace: 'kmm',
    name: 'kmm.sigs.x-k8s.io',
    identity: name,
    clock,
    random: () => 0,
    signal: controller.signal,
    lead: async (leading, holds) => {
      candidate.leads = true
      candidate.holds = holds
      await new Promise<void>((resolve) => leading.addEventListener('abort', () => resolve()))
      candidate.leads = false
      await finished
    },
    ...options,
  }).then(
    () => 'ended' as const,
    (error: unknown) => error as KmmError,
  )
  return candidate
}

it('takes a Lease that is not there, renews it, and gives it up when it has stopped acting', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a')
  await clock.advance(0)
  expect(server.lease?.spec).toEqual({
    holderIdentity: 'a',
    leaseDurationSeconds: 15,
    acquireTime: '2026-01-01T00:00:00.000000Z',
    renewTime: '2026-01-01T00:00:00.000000Z',
    leaseTransitions: 0,
  })
  await clock.advance(20_000)
  expect(server.lease?.spec).toMatchObject({ renewTime: '2026-01-01T00:00:20.000000Z', leaseTransitions: 0 })
  expect(a.leads && a.holds()).toBe(true)
  a.stop()
  await clock.advance(6_000)
  // It is still winding down: nobody may take over, and the Lease is renewed.
  expect([a.leads, a.holds()]).toEqual([false, false])
  expect(server.lease?.spec).toMatchObject({ holderIdentity: 'a', renewTime: '2026-01-01T00:00:26.000000Z' })
  a.finish()
  await clock.advance(2_000)
  expect(await a.outcome).toBe('ended')
  expect(server.lease?.spec).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1 })
  expect(clock.pendingTimers).toBe(0)
})

it('takes over at once from a leader that gave up', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const holders: string[] = []
  const a = start(server, clock, 'a')
  await clock.advance(0)
  const b = start(server, clock, 'b', { onHolder: (identity) => holders.push(identity) })
  await clock.advance(60_000)
  expect([a.leads, b.leads]).toEqual([true, false])
  a.stop()
  a.finish()
  await clock.advance(4_000)
  expect([a.leads, b.leads]).toEqual([false, true])
  expect(holders).toEqual(['a', 'b'])
  expect(server.lease?.spec?.leaseTransitions).toBe(1)
  b.stop()
  b.finish()
  await clock.advance(3_000)
})

it('waits for the whole term of a leader that vanished, by its own clock', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  server.lease = {
    metadata: { name: 'kmm.sigs.x-k8s.io', namespace: 'kmm', resourceVersion: 'x', labels: { keep: 'me' } },
    // The other's clock runs an hour behind.
    spec: {
      holderIdentity: 'gone',
      leaseDurationSeconds: 15,
      renewTime: '2025-12-31T23:00:00.000000Z',
      acquireTime: '2025-12-31T23:00:00.000000Z',
      leaseTransitions: 7,
    },
  }
  const a = start(server, clock, 'a')
  await clock.advance(14_000)
  expect(a.leads).toBe(false)
  await clock.advance(2_000)
  expect(a.leads).toBe(true)
  expect(server.lease.spec).toMatchObject({ holderIdentity: 'a', leaseTransitions: 8 })
  expect(server.lease.metadata?.labels).toEqual({ keep: 'me' })
  a.stop()
  a.finish()
  await clock.advance(3_000)
})

it('stops acting before its term ends when it cannot renew, and does not touch the Lease again', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a')
  const b = start(server, clock, 'b')
  await clock.advance(4_000)
  server.cutOff = ['a']
  await clock.advance(9_000)
  expect(a.leads && a.holds()).toBe(true)
  await clock.advance(1_000)
  expect([a.leads, a.holds()]).toEqual([false, false])
  a.finish()
  await clock.advance(0)
  expect(await a.outcome).toMatchObject({ code: 'TimedOut', fate: 'terminal' })
  server.cutOff = []
  server.writes.length = 0
  await clock.advance(4_000)
  expect(b.leads).toBe(false)
  await clock.advance(5_000)
  expect(b.leads).toBe(true)
  expect(server.writes.every((write) => write.startsWith('b'))).toBe(true)
  b.stop()
  b.finish()
  await clock.advance(3_000)
})

it('gives up on a renewal that hangs', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a')
  await clock.advance(0)
  server.hangs = true
  await clock.advance(10_000)
  expect(a.leads).toBe(false)
  a.finish()
  await clock.advance(0)
  expect(await a.outcome).toMatchObject({ code: 'TimedOut' })
})

it('knows that it no longer holds the Lease when the process was frozen, before any timer fires', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  let skippedMs = 0
  const a = start(server, { ...clock, now: () => clock.now() + skippedMs } as FakeClock, 'a')
  await clock.advance(0)
  expect(a.holds()).toBe(true)
  skippedMs = 11_000
  expect([a.leads, a.holds()]).toEqual([true, false])
  await clock.advance(2_000)
  expect(a.leads).toBe(false)
  a.finish()
})

it('stops at once when another replica has taken the Lease', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a')
  await clock.advance(0)
  server.lease = { ...server.lease, metadata: { resourceVersion: 'other' }, spec: { holderIdentity: 'thief' } }
  await clock.advance(2_000)
  expect(a.leads).toBe(false)
  a.finish()
  await clock.advance(0)
  expect(await a.outcome).toMatchObject({ code: 'TimedOut' })
  expect(server.lease.spec?.holderIdentity).toBe('thief')
})

it('takes an edit of the Lease by somebody else for no loss', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a')
  await clock.advance(0)
  server.lease = { ...server.lease, metadata: { resourceVersion: 'edited', labels: { x: 'y' } } }
  await clock.advance(30_000)
  expect(a.leads).toBe(true)
  expect(server.lease.metadata?.labels).toEqual({ x: 'y' })
  a.stop()
  a.finish()
  await clock.advance(3_000)
})

it('lets one of two candidates lead that start together', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const both = [start(server, clock, 'a'), start(server, clock, 'b')]
  await clock.advance(10_000)
  expect(both.filter(({ leads }) => leads).length).toBe(1)
  for (const each of both) {
    each.stop()
    each.finish()
  }
  await clock.advance(3_000)
})

it('ends its wait when it is stopped, and reports what fails meanwhile', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const errors: unknown[] = []
  server.cutOff = ['a']
  const a = start(server, clock, 'a', { onError: (error) => errors.push(error) })
  await clock.advance(5_000)
  a.stop()
  expect(await a.outcome).toBe('ended')
  expect(errors.length).toBe(3)
  expect([a.leads, server.writes, clock.pendingTimers]).toEqual([false, [], 0])
})

it('gives the Lease up when leading fails by itself, and passes the failure on', async () => {
  const [server, clock] = [new LeaseServer(), createFakeClock()]
  const a = start(server, clock, 'a', { lead: () => Promise.reject(new KmmError('broken', { code: 'Internal' })) })
  await clock.advance(0)
  expect(await a.outcome).toMatchObject({ code: 'Internal' })
  expect(server.lease?.spec?.holderIdentity).toBe('')
})
