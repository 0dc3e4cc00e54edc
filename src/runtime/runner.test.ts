import { expect, it } from 'vitest'
import { KmmError } from '../errors/error.ts'
import { createFakeClock } from '../kube/fake-clock.ts'
import { createKeyedLock } from './keyed-lock.ts'
import { createLogger } from './logger.ts'
import { createMetrics } from './metrics.ts'
import type { Decision } from './reconciler.ts'
import { createRunner, type Runner } from './runner.ts'

interface Given {
  observe?: (key: string) => string | undefined
  decide?: (observed: string, nowMs: number) => Decision<string>
  execute?: (action: string, signal: AbortSignal) => Promise<void>
}

const once = (...actions: string[]): Decision<string> => ({ actions, waits: [] })

function createTestRunner(given: Given): {
  runner: Runner
  clock: ReturnType<typeof createFakeClock>
  done: string[]
  lines: string[]
  metrics: ReturnType<typeof createMetrics>
} {
  const clock = createFakeClock(0)
  const done: string[] = []
  const lines: string[] = []
  const metrics = createMetrics()
  const runner = createRunner<string, string>({
    reconciler: {
      name: 'test',
      observe: given.observe ?? ((key) => key),
      decide: given.decide ?? (() => once('act')),
      execute: async (action, { signal }) => {
        done.push(action)
        await given.execute?.(action, signal)
      },
    },
    concurrency: 2,
    clock,
    random: () => 1,
    logger: createLogger('debug', { write: (line) => void lines.push(line) }),
    metrics,
  })
  return { runner, clock, done, lines, metrics }
}

it('does nothing before it is started, and then works on every key that was woken', async () => {
  const { runner, clock, done } = createTestRunner({ decide: (key) => once(`act on ${key}`) })
  runner.wake('a')
  runner.wake('b')
  await clock.advance(0)
  expect(done).toEqual([])
  runner.start()
  await clock.advance(0)
  expect(done).toEqual(['act on a', 'act on b'])
})

it('runs the actions in order and ends the pass at the first that fails', async () => {
  let failing = true
  const { runner, clock, done } = createTestRunner({
    decide: () => once('one', 'two', 'three'),
    execute: (action) => (action === 'two' && failing ? Promise.reject(new Error('no')) : Promise.resolve()),
  })
  runner.wake('a')
  runner.start()
  await clock.advance(0)
  expect(done).toEqual(['one', 'two'])
  failing = false
  await clock.advance(50)
  expect(done).toEqual(['one', 'two', 'one', 'two', 'three'])
})

it('comes back at the earliest time that a decision asks for', async () => {
  const seen: number[] = []
  const { runner, clock } = createTestRunner({
    decide: (_, nowMs) => {
      seen.push(nowMs)
      return {
        actions: [],
        waits:
          nowMs === 0
            ? [
                { reason: 'Unknown', message: '', untilMs: 700 },
                { reason: 'Unknown', message: '', untilMs: 300 },
              ]
            : [],
      }
    },
  })
  runner.wake('a')
  runner.start()
  await clock.advance(10_000)
  expect(seen).toEqual([0, 300])
})

it.each([
  ['retry', new KmmError('busy', { code: 'ServerError' }), 50],
  ['a time that the server names', new KmmError('slow down', { code: 'TooManyRequests', retryAfterMs: 4_000 }), 4_000],
  ['terminal', new KmmError('never', { code: 'Invalid', fate: 'terminal' }), 300_000],
])('comes back after a failure as its fate says: %s', async (_, error, delayMs) => {
  const { runner, clock, done } = createTestRunner({ execute: () => Promise.reject(error) })
  runner.wake('a')
  runner.start()
  await clock.advance(delayMs - 1)
  expect(done).toHaveLength(1)
  await clock.advance(1)
  expect(done).toHaveLength(2)
})

it('says once in its log what failed, on which key, and counts it', async () => {
  const { runner, clock, lines, metrics } = createTestRunner({
    execute: () => Promise.reject(new KmmError('refused', { code: 'Forbidden', fate: 'terminal' })),
  })
  runner.wake('ns/a')
  runner.start()
  await clock.advance(0)
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 'warn', controller: 'test', key: 'ns/a', code: 'Forbidden', error: 'refused' },
  ])
  expect(await metrics.registry.metrics()).toContain('controller_runtime_reconcile_errors_total{controller="test"} 1')
})

it('repeats the same failure of a key only for who debugs, until it went well or fails otherwise', async () => {
  let message: string | undefined = 'refused'
  const { runner, clock, lines } = createTestRunner({
    execute: () =>
      message === undefined ? Promise.resolve() : Promise.reject(new KmmError(message, { code: 'ServerError' })),
  })
  runner.start()
  for (const next of ['refused', 'refused', 'broken', undefined, 'broken']) {
    message = next
    runner.wake('a')
    await clock.advance(0)
  }
  const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level)
  expect(levels).toEqual(['warn', 'debug', 'warn', 'warn'])
})

it('shows where a defect is', async () => {
  const { runner, clock, lines } = createTestRunner({
    decide: () => {
      throw new TypeError('undefined is not a function')
    },
  })
  runner.start()
  runner.wake('a')
  await clock.advance(0)
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'error',
    code: 'Internal',
    stack: expect.stringMatching(/runner\.test\.ts/),
  })
})

it('ends the action that is under way at stop, and begins no other', async () => {
  let finish = (): void => undefined
  const { runner, clock, done } = createTestRunner({
    decide: () => once('one', 'two'),
    execute: () => new Promise((resolve) => (finish = resolve)),
  })
  runner.wake('a')
  runner.start()
  await clock.advance(0)
  let stopped = false
  const stopping = runner.stop().then(() => (stopped = true))
  await clock.advance(1_000)
  expect(stopped).toBe(false)
  finish()
  await stopping
  expect(done).toEqual(['one'])
  expect(clock.pendingTimers).toBe(0)
})

it('aborts an action that outlasts its grace', async () => {
  const { runner, clock, lines } = createTestRunner({
    execute: (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
  })
  runner.wake('a')
  runner.start()
  await clock.advance(0)
  let stopped = false
  const stopping = runner.stop().then(() => (stopped = true))
  await clock.advance(4_999)
  expect(stopped).toBe(false)
  await clock.advance(1)
  await stopping
  expect(lines).toEqual([])
})

it('leaves an action behind that does not listen to its signal', async () => {
  const { runner, clock, lines } = createTestRunner({ execute: () => new Promise(() => undefined) })
  runner.wake('a')
  runner.start()
  await clock.advance(0)
  const stopping = runner.stop()
  await clock.advance(6_000)
  await stopping
  expect(lines.join('')).toContain('an action did not end')
})

it('lets controllers that share a lock work on a key one after the other', async () => {
  const lock = createKeyedLock()
  const order: string[] = []
  const hold = (name: string): Promise<void> =>
    lock.hold('node', async () => {
      order.push(`${name} begins`)
      await Promise.resolve()
      order.push(`${name} ends`)
      if (name === 'a') throw new Error('failed')
    })
  const results = await Promise.allSettled([
    hold('a'),
    hold('b'),
    lock.hold('other', () => Promise.resolve(order.push('other'))),
  ])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  expect(order.filter((each) => each !== 'other')).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
})

it('does nothing more once it may not act', async () => {
  let leads = true
  const { runner, clock, done } = createTestRunner({
    decide: () => once('one', 'two'),
    execute: () => {
      leads = false
      return Promise.resolve()
    },
  })
  runner.wake('a')
  runner.start(() => leads)
  await clock.advance(10_000)
  expect(done).toEqual(['one'])
})

it('ends quietly at stop and takes no more keys', async () => {
  const { runner, clock, done } = createTestRunner({})
  runner.start()
  await runner.stop()
  runner.wake('a')
  await clock.advance(1_000)
  expect(done).toEqual([])
})

it('logs what a key waits for, for who debugs, and once', async () => {
  let waits: Decision<string>['waits'] = [{ reason: 'NodeNotReady', message: 'node n1 is not ready' }]
  const { runner, clock, lines } = createTestRunner({ decide: () => ({ actions: [], waits }) })
  runner.start()
  runner.wake('n1')
  await clock.advance(0)
  runner.wake('n1')
  await clock.advance(0)
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual([
    expect.objectContaining({ level: 'debug', controller: 'test', key: 'n1', reason: 'NodeNotReady' }),
  ])
  waits = []
  runner.wake('n1')
  await clock.advance(0)
  expect(lines).toHaveLength(1)
})
