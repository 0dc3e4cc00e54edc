import { afterEach, describe, expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import type { Change } from './cache.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createFakeListWatch, type FakeListWatch, type FakeObject } from './fake-list-watch.ts'
import { defineResource } from './resource.ts'
import { createWatchCache, type WatchCache, type WatchCacheOptions } from './watch-cache.ts'

interface View {
  uid: string
  version: string
  color: string
  deleting: boolean
}

const things = defineResource<FakeObject>({
  group: 'x.io',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: true,
})
const trim = ({ metadata }: FakeObject): View => ({
  uid: metadata.uid,
  version: metadata.resourceVersion,
  color: metadata.labels?.['color'] ?? '',
  deleting: metadata.deletionTimestamp !== undefined,
})
const key = (name: string) => ({ namespace: 'ns', name })
const red = { labels: { color: 'red' } }
const blue = { labels: { color: 'blue' } }

interface Rig {
  server: FakeListWatch
  clock: FakeClock
  cache: WatchCache<FakeObject, View>
  changes: Change<View>[]
  errors: unknown[]
}

const rigs: Rig[] = []

afterEach(async () => {
  for (const { cache, server } of rigs.splice(0)) {
    server.releaseLists()
    await cache.stop()
  }
})

function createRig(options: Partial<WatchCacheOptions<FakeObject, View>> = {}, pageSize?: number): Rig {
  const server = createFakeListWatch(pageSize)
  const clock = createFakeClock()
  const errors: unknown[] = []
  const changes: Change<View>[] = []
  const cache = createWatchCache<FakeObject, View>({
    client: server.client,
    resource: things,
    trim,
    indexes: { color: ({ color }) => [color] },
    clock,
    random: () => 0.5,
    onError: (error) => errors.push(error),
    ...options,
  })
  cache.onChange((change) => changes.push(change))
  server.deliver(1_000)
  const rig = { server, clock, cache, changes, errors }
  rigs.push(rig)
  return rig
}

async function startRig(names: string[], options?: Partial<WatchCacheOptions<FakeObject, View>>): Promise<Rig> {
  const rig = createRig(options)
  for (const name of names) rig.server.create(key(name), red)
  rig.cache.start()
  await rig.cache.whenSynced()
  await rig.clock.advance(0)
  rig.changes.length = 0
  return rig
}

/** Changes as `key before→after` by version. */
function summarize(changes: readonly Change<View>[]): string[] {
  return changes.map(({ key: name, before, after }) => `${name} ${before?.version ?? ''}→${after?.version ?? ''}`)
}

describe('list and watch', () => {
  it('lists page by page and is synced only when the last page is there', async () => {
    const { server, cache, clock, changes } = createRig({}, 2)
    for (const name of ['a', 'b', 'c', 'd', 'e']) server.create(key(name), red)
    server.holdLists()
    cache.start()
    await clock.advance(0)
    expect([cache.synced, cache.list().length]).toEqual([false, 0])
    server.releaseLists()
    await cache.whenSynced()
    expect([cache.synced, cache.list().length, server.lists]).toEqual([true, 5, 3])
    expect(changes.length).toBe(5)
  })

  it('starts a list over when its continue token expired', async () => {
    const { server, cache, clock } = createRig({}, 2)
    for (const name of ['a', 'b', 'c']) server.create(key(name), red)
    server.holdLists()
    cache.start()
    await clock.advance(0)
    server.compact()
    server.releaseLists()
    await cache.whenSynced()
    expect(cache.list().length).toBe(3)
    expect(server.lists).toBe(4)
  })

  it('follows additions, modifications and removals with before and after', async () => {
    const { server, cache, clock, changes } = await startRig(['a'])
    server.create(key('b'), blue)
    server.update('ns/a', blue)
    server.remove('ns/b')
    await clock.advance(0)
    expect(summarize(changes)).toEqual(['ns/b →2', 'ns/a 1→3', 'ns/b 2→'])
    expect(cache.list()).toEqual([{ uid: 'uid-1', version: '3', color: 'blue', deleting: false }])
  })

  it('wakes nobody when the trimmed object stays equal', async () => {
    const trimColor = (object: FakeObject) => ({ ...trim(object), version: '' })
    const { server, cache, clock, changes } = await startRig(['a'], { trim: trimColor })
    const before = cache.get(key('a'))
    server.update('ns/a', { annotations: { heartbeat: '1' } })
    await clock.advance(0)
    server.compact()
    server.drop(new KmmError('gone', { code: 'Expired' }))
    await clock.advance(60_000)
    expect(server.lists).toBe(2)
    expect(changes).toEqual([])
    expect(cache.get(key('a'))).toBe(before)
    server.update('ns/a', blue)
    await clock.advance(0)
    expect(changes.length).toBe(1)
  })

  it('lists again after 410 and reports what vanished meanwhile, in one step', async () => {
    const { server, cache, clock, changes, errors } = await startRig(['a', 'b', 'c'])
    server.deliver(0)
    server.drop(new KmmError('lost', { code: 'Unreachable' }))
    await clock.advance(0)
    server.remove('ns/b')
    server.create(key('d'), red)
    server.update('ns/a', blue)
    server.compact()
    const views: number[] = []
    cache.onChange(() => views.push(cache.list().length))
    await clock.advance(60_000)
    expect(summarize(changes).sort()).toEqual(['ns/a 1→6', 'ns/b 2→', 'ns/d →5'])
    expect(views).toEqual([3, 3, 3])
    expect(errors.length).toBe(1)
  })

  it('keeps its view while the server is away, and says since when', async () => {
    const { server, cache, clock } = await startRig(['a'])
    expect(cache.disconnectedSinceMs).toBeUndefined()
    const sinceMs = clock.now()
    server.breakDown(new KmmError('away', { code: 'Unreachable' }))
    server.create(key('b'))
    server.compact()
    await clock.advance(120_000)
    expect(cache.synced && cache.list().length === 1).toBe(true)
    expect(cache.disconnectedSinceMs).toBe(sinceMs)
    server.breakDown()
    await clock.advance(60_000)
    expect(cache.disconnectedSinceMs).toBeUndefined()
    expect(cache.list().length).toBe(2)
  })

  it('waits longer between failed lists, and as long as the server asks', async () => {
    const { server, cache, clock, errors } = createRig()
    const failNext = (retryAfterMs?: number): void =>
      server.failNextList(new KmmError('busy', { code: 'TooManyRequests', ...(retryAfterMs ? { retryAfterMs } : {}) }))
    const waits: number[] = []
    failNext()
    cache.start()
    await clock.advance(0)
    for (const retryAfterMs of [undefined, undefined, 120_000]) {
      failNext(retryAfterMs)
      const startMs = clock.now()
      await clock.advanceToNext()
      waits.push(clock.now() - startMs)
    }
    const startMs = clock.now()
    await clock.advanceToNext()
    waits.push(clock.now() - startMs)
    expect(waits).toEqual([375, 750, 1_500, 120_000])
    expect(cache.synced).toBe(true)
    expect(errors.length).toBe(4)
  })

  it('replaces a watch that outlives its time', async () => {
    const { server, clock, errors } = await startRig(['a'])
    // The server was told 450 seconds; then comes a margin of 30.
    await clock.advance(479_000)
    expect([server.openWatches, errors.length]).toEqual([1, 0])
    await clock.advance(1_000)
    expect([server.openWatches, errors]).toMatchObject([
      0,
      [{ code: 'TimedOut', message: expect.stringMatching(/outlived/) }],
    ])
    await clock.advance(1_000)
    expect(server.openWatches).toBe(1)
  })

  it('lists again when an answering server fails the watch at the same place again and again', async () => {
    const { server, clock, errors } = await startRig(['a'])
    for (let round = 0; round < 3; round++) {
      server.drop(new KmmError('malformed', { code: 'ServerError' }))
      await clock.advance(5_000)
    }
    expect(server.lists).toBe(2)
    expect(errors.length).toBe(3)
  })

  it('watches on from where it was when the connection breaks', async () => {
    const { server, cache, clock } = await startRig(['a'])
    for (let round = 0; round < 10; round++) {
      server.drop(new KmmError('reset', { code: 'Unreachable' }))
      server.create(key(`b${round}`))
      await clock.advance(60_000)
    }
    expect(server.lists).toBe(1)
    expect(cache.list().length).toBe(11)
  })

  it('goes on from its last event when a bookmark lags behind', async () => {
    const { server, cache, clock, errors } = await startRig(['a', 'b', 'c'])
    server.create(key('d'))
    await clock.advance(0)
    server.compact()
    server.bookmark(3)
    await clock.advance(5_000)
    server.drop()
    await clock.advance(0)
    server.create(key('e'))
    await clock.advance(0)
    expect([server.lists, cache.list().length, errors.length]).toEqual([1, 5, 0])
  })

  it('does not hammer a server whose watches end at once', async () => {
    const { server, clock, errors } = await startRig(['a'])
    server.drop()
    await clock.advance(0)
    expect(server.openWatches).toBe(0)
    expect(errors).toMatchObject([{ message: expect.stringMatching(/ended at once/) }])
    await clock.advance(1_000)
    expect(server.openWatches).toBe(1)
  })

  it('stops during a list without opening a watch, and tells who waits for it', async () => {
    const { server, cache, clock } = createRig()
    server.holdLists()
    cache.start()
    await clock.advance(0)
    const stopped = cache.stop()
    server.releaseLists()
    await stopped
    await expect(cache.whenSynced()).rejects.toMatchObject({ code: 'Aborted' })
    expect([server.openWatches, clock.pendingTimers]).toEqual([0, 0])
  })
})

describe('hostile company', () => {
  it('goes on when a listener throws, and tells the others', async () => {
    const { server, cache, clock, errors } = await startRig([])
    const heard: string[] = []
    cache.onChange(() => {
      throw new Error('listener')
    })
    cache.onChange((change) => heard.push(change.key))
    server.create(key('a'))
    server.create(key('b'))
    await clock.advance(0)
    expect(heard).toEqual(['ns/a', 'ns/b'])
    expect(errors.length).toBe(2)
  })

  it('keeps what it knows of an object that cannot be trimmed any more, and reports it', async () => {
    const strict = (object: FakeObject): View => {
      if (object.spec === 'bad') throw new Error('bad spec')
      return trim(object)
    }
    const { server, cache, clock, errors } = await startRig(['a'], { trim: strict })
    server.update('ns/a', { spec: 'bad' })
    server.create(key('b'), red)
    await clock.advance(0)
    expect(cache.get(key('a'))?.version).toBe('1')
    expect(cache.get(key('b'))).toBeDefined()
    expect(errors.length).toBe(1)
  })

  it('freezes what it gives away', async () => {
    const { cache } = await startRig(['a'], { trim: (object) => object as never })
    const object = cache.get(key('a')) as unknown as FakeObject
    expect(() => {
      object.metadata.labels!['color'] = 'green'
    }).toThrow(TypeError)
    expect(() => (cache.list() as View[]).push({} as View)).toThrow(TypeError)
  })

  it('tells every listener of changes in their order, also when a listener writes', async () => {
    const { server, cache, clock } = await startRig([])
    const heard: string[] = []
    cache.onChange(({ key: name }) => {
      if (name === 'ns/a') cache.written(server.create(key('c'), red))
    })
    cache.onChange(({ key: name }) => heard.push(name))
    server.create(key('a'))
    await clock.advance(0)
    expect(heard).toEqual(['ns/a', 'ns/c'])
  })
})

describe('indexes', () => {
  it('files objects by value, and moves them when they change', async () => {
    const { server, cache, clock } = await startRig(['a', 'b'])
    const uids = (color: string): string[] => cache.byIndex('color', color).map(({ uid }) => uid)
    expect(uids('red')).toEqual(['uid-1', 'uid-2'])
    server.update('ns/a', blue)
    server.remove('ns/b')
    await clock.advance(0)
    expect([uids('red'), uids('blue')]).toEqual([[], ['uid-1']])
    expect(() => cache.byIndex('size', '1')).toThrow(/no index size/)
  })
})

describe('our own writes', () => {
  it('are visible at once, and announced once', async () => {
    const { server, cache, clock, changes } = await startRig(['a'])
    server.deliver(0)
    server.drop()
    await clock.advance(10_000)
    cache.written(server.update('ns/a', blue)!)
    cache.written(server.create(key('b'), red))
    expect(cache.byIndex('color', 'blue').length).toBe(1)
    expect(cache.get(key('b'))?.version).toBe('3')
    server.deliver(1_000)
    await clock.advance(0)
    expect(summarize(changes)).toEqual(['ns/a 1→2', 'ns/b →3'])
  })

  it('are not undone by older events that come late', async () => {
    const { server, cache, clock, changes } = await startRig(['a'])
    server.deliver(0)
    server.drop()
    await clock.advance(10_000)
    server.update('ns/a', { annotations: { by: 'somebody else' } })
    cache.written(server.update('ns/a', blue)!)
    server.deliver(1_000)
    await clock.advance(0)
    expect(summarize(changes)).toEqual(['ns/a 1→3'])
  })

  it('do not undo newer events when their answer comes late', async () => {
    const { server, cache, clock } = await startRig(['a'])
    const answer = server.update('ns/a', blue)!
    server.update('ns/a', red)
    await clock.advance(0)
    cache.written(answer)
    expect(cache.get(key('a'))).toMatchObject({ version: '3', color: 'red' })
  })

  it('do not bring back what was deleted before their answer came', async () => {
    const { server, cache, clock, changes } = await startRig(['a'])
    const updated = server.update('ns/a', blue)!
    const created = server.create(key('b'), red)
    server.remove('ns/a')
    server.remove('ns/b')
    await clock.advance(0)
    changes.length = 0
    cache.written(updated)
    cache.written(created)
    expect([cache.list(), changes]).toEqual([[], []])
  })

  it('do not bring back what a newer list no longer has', async () => {
    const { server, cache, clock } = await startRig(['a'])
    server.drop(new KmmError('lost', { code: 'Unreachable' }))
    const created = server.create(key('b'), red)
    server.remove('ns/b')
    server.compact()
    await clock.advance(60_000)
    expect(server.lists).toBe(2)
    cache.written(created)
    expect(cache.get(key('b'))).toBeUndefined()
  })

  it('survive a list that the server made before them', async () => {
    const { server, cache, clock } = await startRig(['a', 'b', 'c'])
    server.holdLists()
    server.create(key('z'))
    server.compact()
    server.drop(new KmmError('gone', { code: 'Expired' }))
    server.deliver(0)
    await clock.advance(0)
    cache.written(server.create(key('d'), red))
    cache.written(server.update('ns/a', blue)!)
    server.remove('ns/b')
    cache.deleted(key('b'), 'uid-2')
    server.releaseLists()
    await clock.advance(0)
    expect(cache.get(key('d'))).toBeDefined()
    expect(cache.get(key('a'))?.color).toBe('blue')
    expect(cache.get(key('b'))).toBeUndefined()
    server.deliver(1_000)
    await clock.advance(0)
    expect(cache.list().length).toBe(4)
  })

  it('leave the cache when the object is no longer selected', async () => {
    const { server, cache } = await startRig(['a'], { labelSelector: 'color=red' })
    cache.written(server.create(key('b'), blue))
    cache.written(server.create({ namespace: 'ns', name: 'c' }, red))
    cache.written(server.update('ns/a', blue)!)
    expect(cache.list().map(({ uid }) => uid)).toEqual(['uid-3'])
  })

  it('are ignored for other namespaces', async () => {
    const { server, cache } = await startRig(['a'], { namespace: 'ns' })
    cache.written(server.create({ namespace: 'other', name: 'b' }))
    expect(cache.list().length).toBe(1)
  })
})

describe('our own deletions', () => {
  it('are visible at once and not undone by a late event', async () => {
    const { server, cache, clock, changes } = await startRig(['a'])
    server.deliver(0)
    server.drop()
    await clock.advance(10_000)
    server.update('ns/a', blue)
    server.remove('ns/a')
    cache.deleted(key('a'), 'uid-1')
    expect(cache.get(key('a'))).toBeUndefined()
    server.deliver(1_000)
    await clock.advance(0)
    expect(summarize(changes)).toEqual(['ns/a 1→'])
  })

  it('do not hide a successor of the same name', async () => {
    const { server, cache, clock } = await startRig(['a'])
    server.deliver(0)
    server.drop()
    await clock.advance(10_000)
    server.remove('ns/a')
    cache.deleted(key('a'), 'uid-1')
    const successor = server.create(key('a'), blue)
    cache.written(successor)
    cache.deleted(key('a'), 'uid-1')
    expect(cache.get(key('a'))?.uid).toBe('uid-2')
    server.deliver(1_000)
    await clock.advance(0)
    expect(cache.get(key('a'))?.uid).toBe('uid-2')
  })

  it('leave an object in place that waits for finalizers', async () => {
    const { server, cache, clock, changes } = await startRig([])
    server.create(key('a'), { finalizers: ['x/y'] })
    await clock.advance(0)
    changes.length = 0
    server.remove('ns/a')
    cache.deleted(key('a'), 'uid-1')
    expect(cache.get(key('a'))).toBeDefined()
    await clock.advance(0)
    expect(cache.get(key('a'))?.deleting).toBe(true)
    cache.written(server.update('ns/a', { finalizers: [] })!)
    expect(cache.get(key('a'))).toBeUndefined()
    await clock.advance(0)
    expect(summarize(changes)).toEqual(['ns/a 1→2', 'ns/a 2→'])
  })

  it('show what the answer says is left', async () => {
    const { server, cache } = await startRig([])
    cache.written(server.create(key('a'), { finalizers: ['x/y'] }))
    cache.deleted(key('a'), 'uid-1', server.remove('ns/a')!)
    expect(cache.get(key('a'))?.deleting).toBe(true)
  })

  it('show an object again that turns out to terminate slowly', async () => {
    const { server, cache, clock } = await startRig(['a'])
    cache.deleted(key('a'), 'uid-1')
    // As a pod with a grace period.
    server.update('ns/a', { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['stands/for-grace'] })
    await clock.advance(0)
    expect(cache.get(key('a'))?.deleting).toBe(true)
  })
})
