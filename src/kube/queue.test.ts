import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import { createQueue, type Queue } from './queue.ts'

interface Gate {
  key: string
  open: () => void
}

/** A queue whose work is held until the test lets it go. */
function createGatedQueue(
  concurrency: number,
  onStart: (waitedMs: number) => void = () => undefined,
): {
  queue: Queue
  gates: Gate[]
  clock: ReturnType<typeof createFakeClock>
  busiest: () => number
} {
  const clock = createFakeClock(0)
  const gates: Gate[] = []
  const active = new Map<string, number>()
  let busiest = 0
  const queue = createQueue({
    concurrency,
    onStart,
    clock,
    backoff: { baseMs: 100, capMs: 1_000, random: () => 1 },
    onDefect: (error) => {
      throw error
    },
    process: (key) => {
      active.set(key, (active.get(key) ?? 0) + 1)
      expect(active.get(key), `two workers on ${key}`).toBe(1)
      busiest = Math.max(busiest, active.size)
      return new Promise((resolve) => {
        gates.push({
          key,
          open: () => {
            active.delete(key)
            resolve()
          },
        })
      })
    },
  })
  return { queue, gates, clock, busiest: () => busiest }
}

it('works on nothing before it is started', () => {
  const { queue, gates } = createGatedQueue(1)
  queue.add('a')
  expect(gates).toHaveLength(0)
  queue.start()
  expect(gates.map(({ key }) => key)).toEqual(['a'])
})

it('works once on a key that is added often while it waits, and again when added during the work', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  queue.add('a')
  for (let count = 0; count < 5; count++) queue.add('a')
  gates[0]?.open()
  await clock.advance(0)
  expect(gates.map(({ key }) => key)).toEqual(['a', 'a'])
  gates[1]?.open()
  await clock.advance(0)
  expect(gates).toHaveLength(2)
})

it('doubles the delay of a failing key up to the cap until it is forgotten', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  const delays: number[] = []
  for (let round = 0; round < 6; round++) {
    const before = clock.now()
    queue.addWithBackoff('a')
    await clock.advanceToNext()
    delays.push(clock.now() - before)
    gates.at(-1)?.open()
    await clock.advance(0)
  }
  expect(delays).toEqual([100, 200, 400, 800, 1_000, 1_000])
  queue.forget('a')
  const before = clock.now()
  queue.addWithBackoff('a')
  await clock.advanceToNext()
  expect(clock.now() - before).toBe(100)
})

it('keeps the earliest of several times, and works at once on an added key', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  queue.addAt('a', 500)
  queue.addAt('a', 200)
  queue.addAt('a', 900)
  await clock.advance(199)
  expect(gates).toHaveLength(0)
  await clock.advance(1)
  expect(gates).toHaveLength(1)
  queue.addAt('b', 5_000)
  gates[0]?.open()
  queue.add('b')
  await clock.advance(0)
  expect(gates.map(({ key }) => key)).toEqual(['a', 'b'])
  expect(clock.pendingTimers).toBe(0)
})

it('forgets a delay when work begins before it ends', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  queue.add('a')
  queue.add('b')
  queue.addAt('b', 1_000)
  gates[0]?.open()
  await clock.advance(0)
  expect(gates.map(({ key }) => key)).toEqual(['a', 'b'])
  expect(clock.pendingTimers).toBe(0)
  // Asked for during the work, it stays.
  queue.addAt('b', 2_000)
  gates[1]?.open()
  await clock.advance(2_000)
  expect(gates).toHaveLength(3)
})

it('lets no busy key starve the others', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  queue.add('busy')
  for (const key of ['a', 'b', 'c']) queue.add(key)
  for (let round = 0; round < 4; round++) {
    queue.add('busy')
    gates[round]?.open()
    await clock.advance(0)
  }
  expect(gates.map(({ key }) => key)).toEqual(['busy', 'a', 'b', 'c', 'busy'])
})

it('counts what waits and how long the work takes', async () => {
  const waits: number[] = []
  const { queue, gates, clock } = createGatedQueue(1, (waitedMs) => waits.push(waitedMs))
  queue.add('a')
  queue.add('b')
  await clock.advance(300)
  queue.start()
  await clock.advance(500)
  expect(queue.counts).toEqual({ depth: 1, adds: 2, retries: 0, workingMs: [500] })
  gates[0]?.open()
  await clock.advance(0)
  expect(waits).toEqual([300, 800])
})

it('waits at stop for what is under way and takes nothing more', async () => {
  const { queue, gates, clock } = createGatedQueue(1)
  queue.start()
  queue.add('a')
  queue.add('b')
  let stopped = false
  const stopping = queue.stop().then(() => {
    stopped = true
  })
  await clock.advance(0)
  expect(stopped).toBe(false)
  gates[0]?.open()
  await stopping
  queue.add('c')
  expect(gates.map(({ key }) => key)).toEqual(['a'])
})

type Step =
  | { do: 'add' | 'later' | 'backoff'; key: string; at: number }
  | { do: 'finish'; index: number }
  | { do: 'advance'; ms: number }

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('add' as const, 'later' as const, 'backoff' as const),
    key: fc.constantFrom('a', 'b', 'c', 'd'),
    at: fc.nat(2_000),
  }),
  fc.record({ do: fc.constant('finish' as const), index: fc.nat(5) }),
  fc.record({ do: fc.constant('advance' as const), ms: fc.nat(1_500) }),
)

it('loses no key and never exceeds its workers, whatever happens in which order', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(stepArbitrary, { maxLength: 40 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, concurrency) => {
        const { queue, gates, clock, busiest } = createGatedQueue(concurrency)
        queue.start()
        /** For each key: how many pieces of work had begun when it was last asked for. */
        const asked = new Map<string, number>()
        const begun = (key: string): number => gates.filter((gate) => gate.key === key).length
        let opened = 0
        const openAll = async (): Promise<void> => {
          while (opened < gates.length) {
            gates[opened++]?.open()
            await clock.advance(0)
          }
        }
        for (const step of steps) {
          if (step.do === 'finish') {
            if (opened < gates.length) gates[opened++]?.open()
          } else if (step.do === 'advance') await clock.advance(step.ms)
          else {
            asked.set(step.key, begun(step.key))
            if (step.do === 'add') queue.add(step.key)
            else if (step.do === 'later') queue.addAt(step.key, clock.now() + step.at)
            else queue.addWithBackoff(step.key)
            // A key that is asked for and free begins within the same turn.
            if (step.do === 'add' && begun(step.key) > (asked.get(step.key) ?? 0)) asked.delete(step.key)
          }
        }
        for (let round = 0; round < 20; round++) {
          await openAll()
          await clock.advance(2_000)
        }
        await openAll()
        for (const [key, count] of asked)
          expect(begun(key), `${key} was asked for and not worked on`).toBeGreaterThan(count)
        expect(busiest()).toBeLessThanOrEqual(concurrency)
        await queue.stop()
      },
    ),
    { numRuns: 200 },
  )
})
