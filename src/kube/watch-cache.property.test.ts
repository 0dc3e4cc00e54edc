import fc from 'fast-check'
import { expect, it } from 'vitest'
import { type ErrorCode, KmmError } from '../errors/error.ts'
import { createFakeClock, type FakeClock } from './fake-clock.ts'
import { createFakeListWatch, type FakeListWatch, type FakeObject } from './fake-list-watch.ts'
import { defineResource } from './resource.ts'
import { createWatchCache, type WatchCache } from './watch-cache.ts'

const things = defineResource<FakeObject>({
  group: 'x.io',
  version: 'v1',
  kind: 'Thing',
  plural: 'things',
  namespaced: false,
})
const names = ['a', 'b', 'c', 'd'] as const

/** One thing that happens to the server, to the connection or to us. */
type Step =
  | {
      do: 'create' | 'update' | 'remove'
      name: string
      ours: boolean
      late: boolean
      finalizer: boolean
      color: string
    }
  | { do: 'release'; name: string; ours: boolean; late: boolean; finalizer: boolean; color: string }
  | { do: 'deliver'; events: number }
  | { do: 'bookmark'; behind: number }
  | { do: 'drop'; code: ErrorCode | 'regular' }
  | { do: 'compact' | 'holdLists' | 'releaseLists' | 'failList' | 'answer' }
  | { do: 'pass'; ms: number }

const writeStep = fc.record({
  do: fc.constantFrom('create' as const, 'update' as const, 'remove' as const, 'release' as const),
  name: fc.constantFrom(...names),
  ours: fc.boolean(),
  late: fc.boolean(),
  finalizer: fc.boolean(),
  color: fc.constantFrom('red', 'blue', 'green'),
})

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: writeStep },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const), events: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('bookmark' as const), behind: fc.nat(4) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('drop' as const),
      code: fc.constantFrom('Unreachable' as const, 'ServerError' as const, 'Expired' as const, 'regular' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'compact' as const,
        'holdLists' as const,
        'releaseLists' as const,
        'failList' as const,
        'answer' as const,
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(0, 700, 5_000, 40_000) }) },
)

/** Plays steps against a server and a cache, and checks after each what must always hold. */
class Play {
  readonly clock: FakeClock = createFakeClock()
  readonly server: FakeListWatch = createFakeListWatch(2)
  readonly cache: WatchCache<FakeObject, FakeObject>
  /** What a listener that believes every change would know. */
  readonly heard = new Map<string, FakeObject>()
  /** For each uid the newest version that we were answered. */
  readonly answered = new Map<string, number>()
  /** Uids that we deleted and that nothing held. */
  readonly erased = new Set<string>()
  /** Answers that are still under way. */
  readonly pending: (() => void)[] = []

  constructor() {
    this.cache = createWatchCache<FakeObject, FakeObject>({
      client: this.server.client,
      resource: things,
      trim: (object) => structuredClone(object),
      indexes: { color: ({ metadata }) => [metadata.labels?.['color'] ?? ''] },
      clock: this.clock,
      random: () => 0.5,
      onError: (error) => expect(error).toBeInstanceOf(KmmError),
    })
    this.cache.onChange(({ key, before, after }) => {
      expect(this.heard.get(key), `before of ${key}`).toBe(before)
      expect(before !== undefined || after !== undefined).toBe(true)
      if (after) this.heard.set(key, after)
      else this.heard.delete(key)
    })
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'create':
      case 'update':
      case 'remove':
      case 'release':
        this.write(step)
        break
      case 'deliver':
        this.server.deliver(step.events)
        break
      case 'bookmark':
        this.server.bookmark(step.behind)
        break
      case 'drop':
        this.server.drop(step.code === 'regular' ? undefined : new KmmError('dropped', { code: step.code }))
        break
      case 'failList':
        this.server.failNextList(new KmmError('no list', { code: 'ServerError' }))
        break
      case 'answer':
        this.pending.shift()?.()
        break
      case 'pass':
        await this.clock.advance(step.ms)
        break
      default:
        this.server[step.do]()
    }
    await this.clock.advance(0)
    this.check()
  }

  write({ do: action, name, ours, late, finalizer, color }: Extract<Step, { name: string }>): void {
    const labels = { color }
    const present = this.server.objects.get(name)
    const finalizers = finalizer ? ['x/y'] : []
    let answer: (() => void) | undefined
    if (action === 'create') {
      if (present) return
      const created = this.server.create({ name }, { labels, finalizers })
      answer = () => this.feed(created)
    } else if (!present) return
    else if (action === 'remove') {
      const left = this.server.remove(name)
      answer = () => {
        this.cache.deleted({ name }, present.metadata.uid, left)
        // What the cache believes to wait for finalizers stays until the server says otherwise.
        if (!left && this.cache.get({ name }) === undefined) this.erased.add(present.metadata.uid)
      }
    } else {
      const written = this.server.update(name, action === 'release' ? { finalizers: [] } : { labels })
      answer = () => written && this.feed(written)
    }
    if (ours && late) this.pending.push(answer)
    else if (ours) answer()
  }

  feed(object: FakeObject): void {
    const { uid, resourceVersion, deletionTimestamp, finalizers = [] } = object.metadata
    this.cache.written(object)
    if (deletionTimestamp === undefined || finalizers.length > 0)
      this.answered.set(uid, Math.max(this.answered.get(uid) ?? 0, Number(resourceVersion)))
  }

  check(): void {
    if (!this.cache.synced) return
    expect(
      this.cache
        .list()
        .map(({ metadata }) => metadata.name)
        .sort(),
    ).toEqual([...this.heard.keys()].sort())
    for (const [name, object] of this.server.objects) {
      const version = this.answered.get(object.metadata.uid)
      if (version === undefined) continue
      const seen = this.cache.get({ name })
      expect(seen?.metadata.uid, `our write of ${name} is visible`).toBe(object.metadata.uid)
      expect(Number(seen?.metadata.resourceVersion)).toBeGreaterThanOrEqual(version)
    }
    for (const each of this.cache.list()) expect(this.erased.has(each.metadata.uid), 'resurrected').toBe(false)
    // `pillar` is never touched: no list and no error may hide it for a moment.
    expect(this.cache.get({ name: 'pillar' })).toBeDefined()
  }

  async settle(): Promise<void> {
    for (const answer of this.pending.splice(0)) answer()
    this.server.releaseLists()
    this.server.deliver(10_000)
    for (let round = 0; round < 6; round++) await this.clock.advance(60_000)
    this.check()
  }

  expectConverged(): void {
    const seen = Object.fromEntries(this.cache.list().map((object) => [object.metadata.name, object]))
    expect(seen).toEqual(Object.fromEntries(this.server.objects))
    for (const color of ['red', 'blue', 'green']) {
      const indexed = this.cache.byIndex('color', color).map(({ metadata }) => metadata.name)
      const wanted = [...this.server.objects.values()].filter(({ metadata }) => metadata.labels?.['color'] === color)
      expect(indexed.sort()).toEqual(wanted.map(({ metadata }) => metadata.name).sort())
    }
  }
}

it('converges to the server, tells listeners one story and never hides our writes, whatever the connection does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 60 }), async (steps) => {
      const play = new Play()
      play.server.create({ name: 'pillar' }, { labels: { color: 'red' } })
      play.cache.start()
      try {
        for (const step of steps) await play.take(step)
        await play.settle()
        play.expectConverged()
      } finally {
        play.server.releaseLists()
        await play.cache.stop()
      }
      expect(play.clock.pendingTimers).toBe(0)
    }),
    { numRuns: 300 },
  )
}, 60_000)
