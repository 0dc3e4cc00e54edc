import { afterEach, describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { createFakeClock } from './fake-clock.ts'
import { createFakeListWatch, type FakeObject } from './fake-list-watch.ts'
import { createOptionalCache } from './optional-cache.ts'
import { defineResource } from './resource.ts'

const things = defineResource<FakeObject>({
  group: 'x.io',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: false,
})

const stops: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function createRig() {
  const server = createFakeListWatch()
  server.deliver(100)
  const clock = createFakeClock()
  const rig = {
    absence: undefined as string | KmmError | undefined,
    checks: 0,
    told: [] as string[],
    seen: [] as string[],
  }
  const errors: unknown[] = []
  const cache = createOptionalCache<FakeObject, string>({
    client: server.client,
    resource: things,
    trim: ({ metadata }) => metadata.name,
    clock,
    random: () => 0,
    onError: (error) => void errors.push(error),
    findAbsence: () => {
      rig.checks += 1
      if (rig.absence instanceof KmmError) return Promise.reject(rig.absence)
      return Promise.resolve(rig.absence)
    },
  })
  cache.onPresence(() => void rig.told.push(cache.presence.kind))
  cache.onChange(({ after = 'gone' }) => void rig.seen.push(after))
  stops.push(() => cache.stop())
  return Object.assign(rig, { server, clock, cache, errors })
}

const notFound = new KmmError('the server could not find the requested resource', { code: 'NotFound' })

describe('a cache of a kind that the cluster may not have', () => {
  it('is filled where the kind is there, and then asks no more', async () => {
    const rig = createRig()
    rig.server.create({ name: 'a' })
    expect([rig.cache.presence.kind, rig.cache.synced]).toEqual(['unknown', false])
    rig.cache.start()
    await rig.cache.whenSynced()
    await rig.clock.advance(0)
    expect([rig.cache.presence.kind, rig.cache.synced, rig.cache.list()]).toEqual(['present', true, ['a']])
    expect([rig.told.at(-1), rig.seen]).toEqual(['present', ['a']])
    await rig.clock.advance(299_000)
    expect([rig.cache.presence.kind, rig.server.lists, rig.checks]).toEqual(['present', 1, 1])
  })

  it('neither lists nor watches where the kind is absent, and is no fault', async () => {
    const rig = createRig()
    rig.absence = 'too old'
    rig.cache.start()
    await rig.cache.whenSynced()
    expect(rig.cache.presence).toEqual({ kind: 'absent', message: 'too old' })
    expect([rig.cache.synced, rig.cache.disconnectedSinceMs, rig.cache.list()]).toEqual([true, undefined, []])
    await rig.clock.advance(3_600_000)
    expect([rig.server.lists, rig.server.openWatches, rig.errors, rig.told]).toEqual([0, 0, [], ['absent']])
    expect(rig.checks).toBe(61)
  })

  it('notices within a minute that the kind came', async () => {
    const rig = createRig()
    rig.absence = 'too old'
    rig.server.create({ name: 'a' })
    rig.cache.start()
    await rig.cache.whenSynced()
    rig.absence = undefined
    await rig.clock.advance(60_000)
    expect([rig.cache.presence.kind, rig.cache.list(), rig.told.at(-1)]).toEqual(['present', ['a'], 'present'])
  })

  it('notices that the kind went, forgets what it held, and starts anew when it is back', async () => {
    const rig = createRig()
    rig.server.create({ name: 'a' })
    rig.cache.start()
    await rig.cache.whenSynced()
    rig.server.breakDown(notFound)
    rig.absence = 'switched off'
    await rig.clock.advance(120_000)
    expect(rig.cache.presence).toEqual({ kind: 'absent', message: 'switched off' })
    expect([rig.cache.list(), rig.cache.synced, rig.cache.disconnectedSinceMs]).toEqual([[], true, undefined])
    const { lists } = rig.server
    await rig.clock.advance(600_000)
    expect(rig.server.lists).toBe(lists)
    rig.server.breakDown()
    rig.server.create({ name: 'b' })
    rig.absence = undefined
    await rig.clock.advance(60_000)
    expect([rig.cache.presence.kind, rig.cache.list()]).toEqual(['present', ['a', 'b']])
    rig.server.create({ name: 'c' })
    await rig.clock.advance(0)
    expect(rig.seen).toEqual(['a', 'a', 'b', 'c'])
  })

  it('stays as it is while the API server answers nothing', async () => {
    const rig = createRig()
    rig.server.create({ name: 'a' })
    rig.cache.start()
    await rig.cache.whenSynced()
    await rig.clock.advance(0)
    const away = new KmmError('connection refused', { code: 'Unreachable' })
    rig.server.breakDown(away)
    rig.absence = away
    await rig.clock.advance(200_000)
    expect([rig.cache.presence.kind, rig.cache.list()]).toEqual(['present', ['a']])
    expect(rig.cache.disconnectedSinceMs).toBeDefined()
  })

  it('holds nothing up when the API server cannot be asked at first, and asks again soon', async () => {
    const rig = createRig()
    rig.absence = new KmmError('forbidden', { code: 'Forbidden' })
    rig.cache.start()
    await rig.cache.whenSynced()
    expect(rig.cache.presence).toEqual({ kind: 'unknown', message: 'forbidden' })
    expect(rig.errors).toEqual([rig.absence])
    rig.absence = undefined
    await rig.clock.advance(1_000)
    expect(rig.cache.presence.kind).toBe('present')
  })

  it('holds nothing up where the kind may not be read, says what to grant, and is filled once that is granted', async () => {
    const rig = createRig()
    rig.server.create({ name: 'a' })
    rig.server.breakDown(new KmmError('things is forbidden', { code: 'Forbidden' }))
    rig.cache.start()
    await rig.cache.whenSynced()
    const presence = { kind: 'unknown', message: 'things is forbidden; grant list and watch on things' }
    expect([rig.cache.presence, rig.told.at(-1)]).toEqual([presence, 'unknown'])
    await rig.clock.advance(600_000)
    expect([rig.cache.synced, rig.cache.disconnectedSinceMs, rig.cache.list()]).toEqual([true, undefined, []])
    rig.server.breakDown()
    await rig.clock.advance(60_000)
    expect([rig.cache.presence.kind, rig.told.at(-1), rig.cache.list()]).toEqual(['present', 'present', ['a']])
  })

  it('is no fault where the permission to read goes, and keeps what it has', async () => {
    const rig = createRig()
    rig.server.create({ name: 'a' })
    rig.cache.start()
    await rig.cache.whenSynced()
    rig.server.breakDown(new KmmError('things is forbidden', { code: 'Forbidden' }))
    await rig.clock.advance(200_000)
    expect([rig.cache.presence.kind, rig.cache.disconnectedSinceMs, rig.cache.list()]).toEqual([
      'present',
      undefined,
      ['a'],
    ])
  })

  it('waits for the first list while that is under way', async () => {
    const rig = createRig()
    rig.server.holdLists()
    rig.cache.start()
    await rig.clock.advance(1_000)
    expect([rig.cache.presence.kind, rig.cache.synced]).toEqual(['unknown', false])
    rig.server.releaseLists()
    await rig.cache.whenSynced()
    expect([rig.cache.presence.kind, rig.cache.synced]).toEqual(['present', true])
  })

  it('lets nobody wait who stops it first', async () => {
    const rig = createRig()
    const waiting = rig.cache.whenSynced()
    await rig.cache.stop()
    await expect(waiting).rejects.toMatchObject({ code: 'Aborted' })
  })
})
