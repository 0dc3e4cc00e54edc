import { describeError, hasCode, KmmError } from '../errors/error.ts'
import type { Clock } from '../kube/clock.ts'
import { createQueue, type Queue } from '../kube/queue.ts'
import type { KeyedLock } from './keyed-lock.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'
import type { Reconciler } from './reconciler.ts'

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
  /** How long an action may go on after `stop`; 5 s unless given. */
  graceMs?: number
}

/** Runs one controller: key → observe → decide → execute, for as long as it is started. */
export interface Runner {
  wake(key: string): void
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

/** Somebody else wrote first, or what was to be written is gone: the caches are about to tell. */
const isStale = (error: unknown): boolean => hasCode(error, 'Conflict', 'NotFound', 'AlreadyExists')

function toKmmError(error: unknown): KmmError {
  if (error instanceof KmmError) return error
  return new KmmError('a defect of KMM, please report it', { code: 'Internal', cause: error })
}

class ControllerRunner<O, A> implements Runner {
  readonly #options: RunnerOptions<O, A>
  readonly #queue: Queue
  readonly #abort = new AbortController()
  #mayAct: () => boolean = () => true

  constructor(options: RunnerOptions<O, A>) {
    this.#options = options
    const { reconciler, concurrency, clock, random, logger, metrics } = options
    this.#queue = createQueue({
      concurrency,
      clock,
      backoff: { baseMs: backoffBaseMs, capMs: backoffCapMs, random },
      process: (key) => this.#process(key),
      onDefect: (error) => logger.error({ controller: reconciler.name, error: describeError(error) }, 'queue defect'),
    })
    metrics.watchQueue(reconciler.name, () => this.#queue.counts)
  }

  wake(key: string): void {
    this.#queue.add(key)
  }

  start(mayAct: () => boolean = () => true): void {
    this.#mayAct = mayAct
    this.#queue.start()
  }

  async stop(): Promise<void> {
    const timer = this.#options.clock.setTimeout(() => this.#abort.abort(), this.#options.graceMs ?? 5_000)
    await this.#queue.stop()
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
    try {
      const requeueAtMs = await this.#pass(key)
      this.#queue.forget(key)
      if (requeueAtMs === undefined) return 'success'
      this.#queue.addAt(key, requeueAtMs)
      return 'requeue_after'
    } catch (error) {
      if (this.#abort.signal.aborted) return 'success'
      this.#fail(key, toKmmError(error))
      return 'error'
    }
  }

  /** One pass; answers when to come back though nothing changes. */
  async #pass(key: string): Promise<number | undefined> {
    const { reconciler, clock } = this.#options
    const observed = reconciler.observe(key)
    if (observed === undefined) return undefined
    const { actions, waits } = reconciler.decide(observed, clock.now())
    for (const action of actions) {
      this.#abort.signal.throwIfAborted()
      if (!this.#mayAct())
        throw new KmmError('another operator leads now; this one does nothing more', { code: 'Aborted', fate: 'wait' })
      await reconciler.execute(action, { signal: this.#abort.signal, nowMs: clock.now() })
    }
    const times = waits.flatMap(({ untilMs }) => untilMs ?? [])
    return times.length === 0 ? undefined : Math.min(...times)
  }

  #fail(key: string, error: KmmError): void {
    const { reconciler, logger, clock } = this.#options
    const fields = { controller: reconciler.name, key, code: error.code, error: describeError(error) }
    if (isStale(error)) logger.debug(fields, 'somebody else was faster, trying again')
    else if (error.code === 'Internal')
      logger.error({ ...fields, stack: (error.cause as Error | undefined)?.stack }, 'a pass failed')
    else logger.warn(fields, 'a pass failed')
    if (error.retryAfterMs !== undefined) this.#queue.addAt(key, clock.now() + error.retryAfterMs)
    else if (error.fate === 'retry') this.#queue.addWithBackoff(key)
    else this.#queue.addAt(key, clock.now() + longestWaitMs)
  }
}

/** Makes a runner; keys may be woken before it is started and are worked on then. */
export function createRunner<O, A>(options: RunnerOptions<O, A>): Runner {
  return new ControllerRunner(options)
}
