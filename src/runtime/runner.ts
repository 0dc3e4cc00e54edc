import { describeError, hasCode, KmmError } from '../errors/error.ts'
import { type Clock, sleep } from '../kube/clock.ts'
import { createQueue, type Queue } from '../kube/queue.ts'
import type { KeyedLock } from './keyed-lock.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import { createPace, type Pace } from './pace.ts'
import { runActions } from './run-actions.ts'
import type { Reconciler, Wait } from './reconciler.ts'

/** What a runner is made of. */
export interface RunnerOptions<O, A> {
  reconciler: Reconciler<O, A>
  concurrency: number
  clock: Clock
  random: () => number
  logger: Logger
  metrics: Metrics
  /** Shared by controllers whose keys name the same thing. */
  lock?: KeyedLock
  /** How far apart passes for one key are kept that are only nudged; 0 unless given. */
  paceMs?: number
  /** How long an action may go on after `stop`; 5 s unless given. */
  graceMs?: number
}

/** Runs one controller: key → observe → decide → execute, for as long as it is started. */
export interface Runner {
  /** Asks for a pass as soon as may be. */
  wake(key: string): void
  /** Asks for a pass that may wait until `paceMs` after the last. */
  nudge(key: string): void
  /**
   * Start only when every cache has synced: nothing may be decided on half a picture. `mayAct` is asked before each
   * action; once it answers no (another process leads), nothing is done any more.
   */
  start(mayAct?: () => boolean): void
  stop(): Promise<void>
}

/** A failure that nothing but a change can mend is looked at again after this long, in case the change was missed. */
const longestWaitMs = 300_000
const backoffBaseMs = 50
const backoffCapMs = 60_000
/** How long an action gets to end after its signal was aborted. */
const abortGraceMs = 1_000

/** Somebody else wrote first, or what was to be written is gone: the caches are about to tell. */
const isStale = (error: unknown): boolean => hasCode(error, 'Conflict', 'NotFound', 'AlreadyExists')

function toKmmError(error: unknown): KmmError {
  if (error instanceof KmmError) return error
  return new KmmError('a defect of KMM, please report it', { code: 'Internal', cause: error })
}

class ControllerRunner<O, A> implements Runner {
  readonly #options: RunnerOptions<O, A>
  readonly #queue: Queue
  readonly #pace: Pace
  readonly #abort = new AbortController()
  /** What was last logged of each key that fails. */
  readonly #logged = new Map<string, string>()
  /** What each key was last said to wait for. */
  readonly #loggedWaits = new Map<string, string>()
  #mayAct: () => boolean = () => true
  #isStopping = false

  constructor(options: RunnerOptions<O, A>) {
    this.#options = options
    const { reconciler, concurrency, clock, random, logger, metrics } = options
    this.#queue = createQueue({
      concurrency,
      clock,
      backoff: { baseMs: backoffBaseMs, capMs: backoffCapMs, random },
      process: (key) => this.#process(key),
      onStart: (waitedMs) => metrics.dequeued(reconciler.name, waitedMs / 1_000),
      onDefect: (error) => logger.error({ controller: reconciler.name, error: describeError(error) }, 'queue defect'),
    })
    this.#pace = createPace(this.#queue, clock, options.paceMs ?? 0)
    metrics.watchQueue(reconciler.name, concurrency, () => this.#queue.counts)
  }

  wake(key: string): void {
    this.#queue.add(key)
  }

  nudge(key: string): void {
    this.#pace.nudge(key)
  }

  start(mayAct: () => boolean = () => true): void {
    this.#mayAct = mayAct
    this.#queue.start()
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    const { clock, logger, reconciler, graceMs = 5_000 } = this.#options
    const timer = clock.setTimeout(() => this.#abort.abort(), graceMs)
    const given = new AbortController()
    // An action that does not listen to its signal must not keep the program alive.
    const deadline = sleep(clock, graceMs + abortGraceMs, given.signal).then(() => {
      if (!given.signal.aborted)
        logger.error({ controller: reconciler.name }, 'an action did not end; it is left behind')
    })
    await Promise.race([this.#queue.stop(), deadline])
    given.abort()
    timer.cancel()
    this.#abort.abort()
  }

  async #process(key: string): Promise<void> {
    const { reconciler, clock, metrics, lock } = this.#options
    const startedMs = clock.monotonic()
    const result = await (lock ? lock.hold(key, () => this.#attempt(key)) : this.#attempt(key))
    metrics.reconciled(reconciler.name, result, (clock.monotonic() - startedMs) / 1000)
  }

  async #attempt(key: string): Promise<'success' | 'error' | 'requeue_after'> {
    this.#pace.begin(key)
    try {
      const requeueAtMs = await this.#pass(key)
      this.#queue.forget(key)
      this.#logged.delete(key)
      if (requeueAtMs === undefined) return 'success'
      this.#queue.addAt(key, requeueAtMs)
      return 'requeue_after'
    } catch (error) {
      if (this.#isStopping || !this.#mayAct()) return 'success'
      this.#fail(key, toKmmError(error))
      return 'error'
    } finally {
      this.#pace.end(key)
    }
  }

  /** One pass; answers when to come back though nothing changes. */
  async #pass(key: string): Promise<number | undefined> {
    const { reconciler, clock } = this.#options
    const observed = reconciler.observe(key)
    if (observed === undefined) {
      this.#loggedWaits.delete(key)
      return undefined
    }
    const { actions, waits } = reconciler.decide(observed, clock.now())
    this.#logWaits(key, waits)
    const isComplete = await runActions(actions, {
      execute: (action) => reconciler.execute(action, { signal: this.#abort.signal, nowMs: clock.now() }),
      // Every action is safe on its own: the next pass, here or elsewhere, goes on from what it finds.
      mayGoOn: () => !this.#isStopping && this.#mayAct(),
      groupOf: reconciler.groupOf?.bind(reconciler),
    })
    if (!isComplete) return undefined
    const times = waits.flatMap(({ untilMs }) => untilMs ?? [])
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Says once, for who debugs, what a key waits for. */
  #logWaits(key: string, waits: readonly Wait[]): void {
    const { reconciler, logger } = this.#options
    const text = waits.map(({ reason, message }) => `${reason} ${message}`).join('\n')
    if ((this.#loggedWaits.get(key) ?? '') === text) return
    if (text === '') this.#loggedWaits.delete(key)
    else this.#loggedWaits.set(key, text)
    for (const { reason, message } of waits)
      logger.debug({ controller: reconciler.name, key, reason }, `waits: ${message}`)
  }

  #fail(key: string, error: KmmError): void {
    const { clock } = this.#options
    this.#log(key, error)
    if (error.retryAfterMs !== undefined) this.#queue.addAt(key, clock.now() + error.retryAfterMs)
    else if (error.fate === 'retry') this.#queue.addWithBackoff(key)
    else this.#queue.addAt(key, clock.now() + longestWaitMs)
  }

  /** Says once what keeps a key from going well; repetitions are for who debugs. */
  #log(key: string, error: KmmError): void {
    const { reconciler, logger } = this.#options
    const text = describeError(error)
    const fields = { controller: reconciler.name, key, code: error.code, error: text }
    if (isStale(error)) return logger.debug(fields, 'somebody else was faster, trying again')
    if (this.#logged.get(key) === text) return logger.debug(fields, 'a pass failed again')
    this.#logged.set(key, text)
    if (error.code !== 'Internal') return logger.warn(fields, 'a pass failed')
    const stack = error.cause instanceof Error ? error.cause.stack : error.stack
    logger.error({ ...fields, stack }, 'a pass failed')
  }
}

/** Makes a runner; keys may be woken before it is started and are worked on then. */
export function createRunner<O, A>(options: RunnerOptions<O, A>): Runner {
  return new ControllerRunner(options)
}
