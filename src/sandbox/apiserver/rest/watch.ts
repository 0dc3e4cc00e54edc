import type { ServerResponse } from 'node:http'
import { apiVersionOf } from '../../../kube/resource.ts'
import type { StoreEvent } from '../history.ts'
import type { ApiObject } from '../object.ts'
import { StatusError, toStatus } from '../status-error.ts'
import type { Store } from '../store.ts'
import type { Renderer, Rendering } from './render.ts'

/** What a watch asks for. */
export interface WatchRequest {
  rendering: Rendering
  namespace?: string
  /** True for objects (as they are stored) that the selectors pick. */
  matches: (object: ApiObject) => boolean
  /** Changes after this version; undefined begins with everything that is there. */
  since: number | undefined
  /** Sends a bookmark that marks the end of what is there already (`sendInitialEvents=true`). */
  markInitialEvents: boolean
  bookmarks: boolean
  timeoutMs: number
}

/** Limits of all watches. */
export interface WatchOptions {
  bookmarkIntervalMs: number
  /** A client that leaves more than this unread is disconnected. */
  maxUnreadBytes: number
}

type EventType = StoreEvent['type']

/** Lets an open watch be ended from outside. */
export interface OpenWatch {
  readonly plural: string
  /** Ends the stream properly, as a timeout does. */
  end(): void
  /** Cuts the connection, as a failing network does. */
  drop(): void
  /** Sends an ERROR event and ends, as 410 Gone does. */
  fail(error: StatusError): void
}

/** Serves watches from the store's history and what comes after it. */
export class Watches {
  readonly #store: Store
  readonly #renderer: Renderer
  readonly #options: WatchOptions
  readonly #open = new Set<OpenWatch>()
  /** Lines of whole objects are made once for all watches. */
  readonly #lines = new WeakMap<StoreEvent, Buffer>()

  constructor(store: Store, renderer: Renderer, options: WatchOptions) {
    this.#store = store
    this.#renderer = renderer
    this.#options = options
  }

  /** The watches that are open now. */
  get open(): readonly OpenWatch[] {
    return [...this.#open]
  }

  /** Starts a watch on a response. Throws before anything is sent when its version is too old. */
  start(request: WatchRequest, response: ServerResponse): void {
    const { storage, plural } = request.rendering.resource
    const missed = request.since === undefined ? [] : this.#store.eventsSince(storage, request.since)
    response.writeHead(200, { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' })
    response.flushHeaders()
    const cleanups: (() => void)[] = []
    const close = (finish: () => void): void => {
      if (!this.#open.delete(watch)) return
      for (const cleanup of cleanups) cleanup()
      finish()
    }
    const end = (): void => close(() => response.end())
    const watch: OpenWatch = {
      plural,
      end,
      drop: () => close(() => response.destroy()),
      fail: (error) => {
        this.#write(watch, response, errorLine(error))
        end()
      },
    }
    this.#open.add(watch)
    response.on('close', () => close(() => {}))
    const send = (line: string | Buffer): void => this.#write(watch, response, line)
    if (request.since === undefined) this.#sendInitial(request, send)
    for (const event of missed) this.#sendEvent(request, event, send)
    cleanups.push(this.#store.subscribe(storage, (event) => this.#sendEvent(request, event, send), end))
    cleanups.push(...this.#startTimers(request, send, end))
  }

  #startTimers(request: WatchRequest, send: (line: string) => void, end: () => void): (() => void)[] {
    const bookmark = (): void => send(this.#bookmark(request, {}))
    const timers = [
      setTimeout(() => {
        // A last bookmark lets the next watch begin where this one ends, however quiet its kind is.
        if (request.bookmarks) bookmark()
        end()
      }, request.timeoutMs),
    ]
    if (request.bookmarks) timers.push(setInterval(bookmark, this.#options.bookmarkIntervalMs))
    for (const timer of timers) timer.unref()
    return timers.map((timer) => () => clearTimeout(timer))
  }

  #sendInitial(request: WatchRequest, send: (line: string) => void): void {
    const { storage } = request.rendering.resource
    for (const object of this.#store.list(storage, request.namespace)) {
      if (request.matches(object)) send(this.#line(request, 'ADDED', object))
    }
    if (request.markInitialEvents) send(this.#bookmark(request, { 'k8s.io/initial-events-end': 'true' }))
  }

  #sendEvent(request: WatchRequest, event: StoreEvent, send: (line: string | Buffer) => void): void {
    const { namespace, since = 0 } = request
    if (event.resourceVersion <= since) return
    if (namespace !== undefined && event.object.metadata.namespace !== namespace) return
    const type = typeFor(event, request.matches)
    if (type !== undefined) send(this.#eventLine(request, event, type))
  }

  #eventLine(request: WatchRequest, event: StoreEvent, type: EventType): string | Buffer {
    // An object that leaves the selector is shown as it was, with the version of the change.
    if (type === 'DELETED' && event.type !== 'DELETED' && event.before) {
      return this.#line(request, type, withVersion(event.before, event.resourceVersion))
    }
    const { format, resource } = request.rendering
    const shared =
      format.shape === 'object' && type === event.type && resource.fromStored(event.object) === event.object
    if (!shared) return this.#line(request, type, event.object)
    const known = this.#lines.get(event)
    if (known) return known
    const line = Buffer.from(this.#line(request, type, event.object))
    this.#lines.set(event, line)
    return line
  }

  #line(request: WatchRequest, type: EventType, stored: ApiObject): string {
    const { rendering } = request
    const object = rendering.resource.fromStored(stored)
    return `{"type":"${type}","object":${this.#renderer.one(object, rendering)}}\n`
  }

  #bookmark({ rendering }: WatchRequest, annotations: Record<string, string>): string {
    const partial = rendering.format.shape === 'metadata'
    const kind = partial ? 'PartialObjectMetadata' : rendering.resource.kind
    const apiVersion = partial ? 'meta.k8s.io/v1' : apiVersionOf(rendering.resource)
    const metadata = {
      resourceVersion: String(this.#store.resourceVersion),
      creationTimestamp: null,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    }
    return `${JSON.stringify({ type: 'BOOKMARK', object: { kind, apiVersion, metadata } })}\n`
  }

  #write(watch: OpenWatch, response: ServerResponse, line: string | Buffer): void {
    if (!response.writable) return
    response.write(line)
    if (response.writableLength > this.#options.maxUnreadBytes) watch.drop()
  }
}

/** What a change is for a watch with selectors; undefined when it sees nothing of it. */
function typeFor(event: StoreEvent, matches: (object: ApiObject) => boolean): EventType | undefined {
  const now = event.type !== 'DELETED' && matches(event.object)
  const before = event.before !== undefined && matches(event.before)
  if (now) return before ? 'MODIFIED' : 'ADDED'
  return before ? 'DELETED' : undefined
}

function withVersion(object: ApiObject, resourceVersion: number): ApiObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(resourceVersion) } }
}

/** The line of a watch that tells of an error. */
export function errorLine(error: StatusError): string {
  return `${JSON.stringify({ type: 'ERROR', object: toStatus(error) })}\n`
}
