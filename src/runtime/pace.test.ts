import { expect, it } from 'vitest'
import { createFakeClock } from '../kube/fake-clock.ts'
import { createQueue } from '../kube/queue.ts'
import { createPace } from './pace.ts'

const paceMs = 1_000

/** A queue whose passes take `passMs`, and the times at which they began. */
function createPaced(passMs = 0) {
  const clock = createFakeClock(0)
  const begun: string[] = []
  const queue = createQueue({
    concurrency: 4,
    clock,
    backoff: { baseMs: 10, capMs: 10, random: () => 1 },
    onDefect: (error) => {
      throw error
    },
    process: async (key) => {
      begun.push(`${key} ${clock.now()}`)
      pace.begin(key)
      if (passMs > 0) await new Promise<void>((resolve) => clock.setTimeout(resolve, passMs))
      pace.end(key)
    },
  })
  const pace = createPace(queue, clock, paceMs)
  queue.start()
  return { clock, queue, pace, begun }
}

it('passes at once for what rested, then keeps passes apart however often it is nudged', async () => {
  const { clock, pace, begun } = createPaced()
  for (let time = 0; time < 3_000; time += 100) {
    pace.nudge('a')
    await clock.advance(100)
  }
  expect(begun).toEqual(['a 0', 'a 1000', 'a 2000', 'a 3000'])
  await clock.advance(10_000)
  expect(begun).toHaveLength(4)
  pace.nudge('a')
  await clock.advance(0)
  expect(begun.at(-1)).toBe('a 13000')
})

it('counts the distance from the end of a pass, and misses no nudge that comes while one is under way', async () => {
  const { clock, pace, begun } = createPaced(500)
  pace.nudge('a')
  await clock.advance(100)
  pace.nudge('a')
  await clock.advance(5_000)
  expect(begun).toEqual(['a 0', 'a 1500'])
})

it('holds up neither other keys nor a wake', async () => {
  const { clock, queue, pace, begun } = createPaced()
  pace.nudge('a')
  await clock.advance(100)
  pace.nudge('a')
  pace.nudge('b')
  await clock.advance(100)
  queue.add('a')
  await clock.advance(0)
  expect(begun).toEqual(['a 0', 'b 100', 'a 200'])
})
