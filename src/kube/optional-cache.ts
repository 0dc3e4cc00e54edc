import { describeError, hasCode, KmmError } from '../errors/error.ts'
import { computeBackoffMs } from './backoff.ts'
import type { Cache, Change } from './cache.ts'
import { realClock, sleep } from './clock.ts'
import { isEqualJson } from './json.ts'
import type { KubeObject } from './object.ts'
import { createWatchCache, type WatchCache, type WatchCacheOptions } from './watch-cache.ts'

/** What is known of a kind that not every cluster has; messages say why, and what to do. */
export type Presence = { kind: 'unknown'; message: string } | { kind: 'present' } | { kind: 'absent'; message: string }

/** A Cache of a kind that the cluster may not have: empty until the kind is known to be there, and has been read. */
export interface PresenceCache<Raw extends KubeObject, T> extends Cache<Raw, T> {
  readonly presence: Presence
  /** Told each time that `presence` changes. */
  onPresence(listener: () => void): void
}

/**
 * A PresenceCache that keeps itself up to date from `start` to `stop`. Nobody who does without the kind waits for it: it
 * counts as synced, too, once its first list has failed, and what it may not read is no fault of the API server.
 */
export interface OptionalCache<Raw extends KubeObject, T> extends WatchCache<Raw, T>, PresenceCache<Raw, T> {}

export interface OptionalCacheOptions<Raw extends KubeObject, T> extends WatchCacheOptions<Raw, T> {
  /** Asks the cluster why the kind is not there; undefined where it is. */
  findAbsence: (signal: AbortSignal) => Promise<string | undefined>
}

/** How soon a cluster is asked again: it may be upgraded, or restarted with another set of APIs. */
const checkIntervalMs = 60_000
const backoff = { baseMs: 1_000, capMs: checkIntervalMs }

/** Keeps a WatchCache for as long as the cluster has the kind, and a fresh one, not started, while it has not. */
class OptionalWatch<Raw extends KubeObject, T> {
  readonly #options: OptionalCacheOptions<Raw, T>
  readonly #stopping = new AbortController()
  readonly changeListeners: ((change: Change<T>) => void)[] = []
  readonly presenceListeners: (() => void)[] = []
  readonly #waiting: (() => void)[] = []
  #inner: WatchCache<Raw, T>
  #isWatching = false
  #isChecked = false
  /** What the inner cache met with last, since it was started. */
  #failure: unknown
  #verdict: Presence = { kind: 'unknown', message: 'the API server has not been asked yet' }
  #running: Promise<void> | undefined

  constructor(options: OptionalCacheOptions<Raw, T>) {
    this.#options = options
    this.#inner = this.#createInner()
  }

  get inner(): WatchCache<Raw, T> {
    return this.#inner
  }

  get presence(): Presence {
    if (this.#verdict.kind !== 'present' || this.#inner.synced) return this.#verdict
    return { kind: 'unknown', message: this.#describeReading() }
  }

  get synced(): boolean {
    return this.#isChecked && (!this.#isWatching || this.#inner.synced || this.#failure !== undefined)
  }

  get disconnectedSinceMs(): number | undefined {
    if (!this.#isWatching || !this.#inner.synced || hasCode(this.#failure, 'Forbidden')) return undefined
    return this.#inner.disconnectedSinceMs
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#running
    await this.#inner.stop()
    this.#releaseWaiting()
  }

  async whenSynced(): Promise<void> {
    if (!this.synced && !this.#stopping.signal.aborted)
      await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    if (!this.synced) throw new KmmError(`the cache of ${this.#inner.name} was stopped`, { code: 'Aborted' })
  }

  #describeReading(): string {
    const { name } = this.#inner
    if (this.#failure === undefined) return `${name} are being read`
    const advice = hasCode(this.#failure, 'Forbidden') ? `; grant list and watch on ${name}` : ''
    return `${describeError(this.#failure)}${advice}`
  }

  #createInner(): WatchCache<Raw, T> {
    const onError = (error: unknown): void => {
      this.#options.onError(error)
      this.#noteFailure(error)
    }
    const inner = createWatchCache({ ...this.#options, onError })
    inner.onChange((change) => {
      for (const listener of this.changeListeners) listener(change)
    })
    return inner
  }

  async #run(): Promise<void> {
    const { clock = realClock, random = Math.random } = this.#options
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      failures = (await this.#check(signal)) ? 0 : failures + 1
      const delayMs = failures === 0 ? checkIntervalMs : computeBackoffMs(failures, { ...backoff, random })
      await sleep(clock, delayMs, signal)
    }
  }

  /** Asks unless a watch that works says enough; answers whether that told anything. */
  async #check(signal: AbortSignal): Promise<boolean> {
    if (this.#isWatching && this.#inner.disconnectedSinceMs === undefined) return true
    try {
      const absence = await this.#options.findAbsence(signal)
      if (signal.aborted) return true
      if (absence === undefined) this.#begin()
      else await this.#end(absence)
      return true
    } catch (error) {
      if (signal.aborted) return true
      this.#options.onError(error)
      // What was there is there still: it is the answer that is missing.
      if (this.#verdict.kind === 'unknown') this.#decide({ kind: 'unknown', message: describeError(error) })
      return false
    } finally {
      if (!signal.aborted) this.#isChecked = true
      this.#settle()
    }
  }

  #begin(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    this.#inner.start()
    this.#decide({ kind: 'present' })
    const settle = (): void => {
      this.#settle()
      this.#announce()
    }
    this.#inner.whenSynced().then(settle, () => undefined)
  }

  #noteFailure(error: unknown): void {
    const before = this.presence
    this.#failure = error
    this.#settle()
    if (!isEqualJson(before, this.presence)) this.#announce()
  }

  async #end(message: string): Promise<void> {
    if (this.#isWatching) {
      await this.#inner.stop()
      this.#isWatching = false
      this.#failure = undefined
      this.#inner = this.#createInner()
    }
    this.#decide({ kind: 'absent', message })
  }

  #decide(verdict: Presence): void {
    const before = this.#verdict
    this.#verdict = verdict
    if (!isEqualJson(before, verdict)) this.#announce()
  }

  #announce(): void {
    for (const listener of this.presenceListeners) listener()
  }

  #settle(): void {
    if (this.synced) this.#releaseWaiting()
  }

  #releaseWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** An empty cache; `start` asks the cluster, and fills it where the kind is there. */
export function createOptionalCache<Raw extends KubeObject, T>(
  options: OptionalCacheOptions<Raw, T>,
): OptionalCache<Raw, T> {
  const watch = new OptionalWatch(options)
  return {
    name: options.resource.plural,
    get: (key) => watch.inner.get(key),
    list: () => watch.inner.list(),
    byIndex: (index, value) => watch.inner.byIndex(index, value),
    written: (object) => watch.inner.written(object),
    deleted: (key, uid, remaining) => watch.inner.deleted(key, uid, remaining),
    onChange: (listener) => void watch.changeListeners.push(listener),
    onPresence: (listener) => void watch.presenceListeners.push(listener),
    get presence() {
      return watch.presence
    },
    get synced() {
      return watch.synced
    },
    get disconnectedSinceMs() {
      return watch.disconnectedSinceMs
    },
    start: () => watch.start(),
    stop: () => watch.stop(),
    whenSynced: () => watch.whenSynced(),
  }
}
