import { hasCode, KmmError } from '../errors/error.ts'
import { computeBackoffMs } from './backoff.ts'
import type { ListInProgress } from './cache-state.ts'
import type { KubeClient, WatchEvent } from './client.ts'
import { type Clock, sleep } from './clock.ts'
import type { KubeObject } from './object.ts'
import type { Resource } from './resource.ts'
import { isOlder } from './resource-version.ts'

/** Who is fed by list and watch. */
export interface ListWatchSink<Raw> {
  beginList(): ListInProgress<Raw>
  applyEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Raw): void
  /** Told when the server answers, and when it no longer does. */
  setConnected(connected: boolean): void
}

/** What to list and watch, and how patiently. */
export interface ListWatchOptions<Raw extends KubeObject> {
  client: KubeClient
  resource: Resource<Raw>
  namespace?: string | undefined
  labelSelector?: string | undefined
  sink: ListWatchSink<Raw>
  clock: Clock
  random: () => number
  /** Told of every failure that is not routine; the loop goes on by itself. */
  onError: (error: unknown) => void
}

interface Progress {
  /** Where the watch goes on; undefined when only a list can tell. */
  resourceVersion: string | undefined
  /** Since the last watch that did some good. */
  failures: number
  /** Whether the server has forgotten our place since then. */
  expired: boolean
  /** Watches in a row that an answering server failed at the same place. */
  fruitless: number
}

const pageSize = 500
const backoff = { baseMs: 500, capMs: 30_000 }
const shortestWatchSeconds = 300
const watchdogMarginMs = 30_000
/** A watch that ends sooner, without an event, did no good. */
const usefulWatchMs = 1_000
const fruitlessLimit = 3

function selectionOf<Raw extends KubeObject>({ namespace, labelSelector }: ListWatchOptions<Raw>) {
  return { ...(namespace ? { namespace } : {}), ...(labelSelector ? { labelSelector } : {}) }
}

async function listPages<Raw extends KubeObject>(
  options: ListWatchOptions<Raw>,
  into: ListInProgress<Raw>,
  signal: AbortSignal,
): Promise<string> {
  const { client, resource } = options
  const selection = selectionOf(options)
  let page = await client.list(resource, { ...selection, limit: pageSize, signal })
  into.add(page.items)
  while (page.continueToken !== undefined) {
    page = await client.list(resource, { ...selection, limit: pageSize, continueToken: page.continueToken, signal })
    into.add(page.items)
  }
  return page.resourceVersion
}

/** Lists everything; the old view stays until the new one is complete. */
async function listAll<Raw extends KubeObject>(options: ListWatchOptions<Raw>, signal: AbortSignal): Promise<string> {
  const list = options.sink.beginList()
  try {
    const resourceVersion = await listPages(options, list, signal)
    if (resourceVersion === '')
      throw new KmmError(`the list of ${options.resource.plural} carries no resourceVersion`, { code: 'ServerError' })
    list.commit(resourceVersion)
    options.sink.setConnected(true)
    return resourceVersion
  } catch (error) {
    list.abandon()
    throw error
  }
}

function markGood(progress: Progress): void {
  Object.assign(progress, { failures: 0, expired: false, fruitless: 0 })
}

function applyWatchEvent<Raw extends KubeObject>(
  event: WatchEvent<Raw>,
  sink: ListWatchSink<Raw>,
  progress: Progress,
): void {
  if (event.type !== 'BOOKMARK') sink.applyEvent(event.type, event.object)
  const version = (event.type === 'BOOKMARK' ? event.resourceVersion : event.object.metadata?.resourceVersion) ?? ''
  // A bookmark may lag behind.
  if (version !== '' && !isOlder(version, progress.resourceVersion ?? '')) progress.resourceVersion = version
  markGood(progress)
}

/** A signal that follows another, and is aborted by itself after a time. */
function createDeadline(clock: Clock, delayMs: number, parent: AbortSignal) {
  const controller = new AbortController()
  const abort = (): void => controller.abort()
  if (parent.aborted) abort()
  parent.addEventListener('abort', abort, { once: true })
  const timer = clock.setTimeout(abort, delayMs)
  return {
    signal: controller.signal,
    hasPassed: (): boolean => controller.signal.aborted && !parent.aborted,
    cancel: (): void => {
      timer.cancel()
      parent.removeEventListener('abort', abort)
    },
  }
}

/** Reads one watch to its end; answers how many events it brought. */
async function readWatch<Raw extends KubeObject>(
  options: ListWatchOptions<Raw>,
  progress: Progress,
  watch: AsyncIterable<WatchEvent<Raw>>,
  signal: AbortSignal,
): Promise<number> {
  let events = 0
  for await (const event of watch) {
    if (signal.aborted) break
    events++
    applyWatchEvent(event, options.sink, progress)
  }
  return events
}

/** Runs one watch until it ends; throws when it failed, did no good, or outlived the time that the server was given. */
async function watchOnce<Raw extends KubeObject>(
  options: ListWatchOptions<Raw>,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  const { client, resource, clock, random } = options
  const timeoutSeconds = shortestWatchSeconds + Math.floor(random() * shortestWatchSeconds)
  const deadline = createDeadline(clock, timeoutSeconds * 1_000 + watchdogMarginMs, signal)
  const startedMs = clock.monotonic()
  let events = 0
  try {
    const resourceVersion = progress.resourceVersion ?? ''
    const place = { ...selectionOf(options), resourceVersion, timeoutSeconds, signal: deadline.signal }
    const watch = client.watch(resource, { ...place, onOpen: () => options.sink.setConnected(true) })
    events = await readWatch(options, progress, watch, deadline.signal)
  } catch (error) {
    if (!deadline.hasPassed()) throw error
  } finally {
    deadline.cancel()
  }
  if (deadline.hasPassed())
    throw new KmmError(`the watch of ${resource.plural} outlived its time; it is replaced`, { code: 'TimedOut' })
  if (events === 0 && clock.monotonic() - startedMs < usefulWatchMs && !signal.aborted)
    throw new KmmError(`the watch of ${resource.plural} ended at once`, { code: 'ServerError' })
  markGood(progress)
}

async function step<Raw extends KubeObject>(
  options: ListWatchOptions<Raw>,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  progress.resourceVersion ??= await listAll(options, signal)
  await watchOnce(options, progress, signal)
}

/** Decides how to go on after a failure; answers how long to wait first. */
function recover<Raw extends KubeObject>(
  error: unknown,
  progress: Progress,
  { random, onError, sink }: ListWatchOptions<Raw>,
): number {
  if (hasCode(error, 'Expired')) {
    progress.resourceVersion = undefined
    // Routine, unless it happens at each attempt.
    if (!progress.expired) {
      progress.expired = true
      return 0
    }
  }
  progress.failures++
  if (!hasCode(error, 'Unreachable', 'TooManyRequests')) progress.fruitless++
  if (progress.fruitless >= fruitlessLimit) Object.assign(progress, { resourceVersion: undefined, fruitless: 0 })
  onError(error)
  sink.setConnected(false)
  const askedMs = error instanceof KmmError ? (error.retryAfterMs ?? 0) : 0
  return Math.max(askedMs, computeBackoffMs(progress.failures, { ...backoff, random }))
}

/** Lists, then watches, for ever: resolves only when the signal is aborted, and never throws. */
export async function runListWatch<Raw extends KubeObject>(
  options: ListWatchOptions<Raw>,
  signal: AbortSignal,
): Promise<void> {
  const progress: Progress = { resourceVersion: undefined, failures: 0, expired: false, fruitless: 0 }
  while (!signal.aborted) {
    try {
      await step(options, progress, signal)
    } catch (error) {
      if (signal.aborted) return
      const delayMs = recover(error, progress, options)
      if (delayMs > 0) await sleep(options.clock, delayMs, signal)
    }
  }
}
