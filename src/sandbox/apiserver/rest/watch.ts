import type { ServerResponse } from 'node:http'
import { apiVersionOf } from '../../../kube/resource.ts'
import type { StoreEvent } from '../history.ts'
import type { ApiObject } from '../object.ts'
import { StatusError } from '../status-error.ts'
import type { Store } from '../store.ts'
import type { Renderer, Rendering } from './render.ts'
import { openOutlet, type Outlet } from './watch-outlet.ts'
import { WatchStream, type OpenWatch } from './watch-stream.ts'

/** What a watch asks for. */
export interface WatchRequest {
  rendering: Rendering
  namespace?: string
  /** True for objects (as they are stored, or as a webhook shows them) that the selectors pick. */
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

  /** Starts a watch on a response. A version that is no longer kept is told by an ERROR event, as the real server does. */
  start(request: WatchRequest, response: ServerResponse): void {
    const { storage, plural } = request.rendering.resource
    const stream = new WatchStream(plural, response, this.#options.maxUnreadBytes)
    this.#open.add(stream)
    stream.onClose(() => this.#open.delete(stream))
    const outlet = openOutlet(request.rendering.resource, stream)
    const onEvent = (event: StoreEvent): void =>
      outlet.event(event, (shown) => this.#sendEvent(request, shown, (line) => stream.send(line)))
    try {
      if (request.since === undefined) this.#sendInitial(request, outlet, stream)
      else for (const event of this.#store.eventsSince(storage, request.since)) onEvent(event)
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      stream.fail(error)
      return
    }
    stream.onClose(this.#store.subscribe(storage, onEvent, () => stream.end()))
    this.#startTimers(request, outlet, stream)
  }

  #startTimers(request: WatchRequest, outlet: Outlet, stream: WatchStream): void {
    const bookmark = (): void => outlet.line(this.#bookmark(request, {}))
    const timeout = setTimeout(() => {
      // A last bookmark lets the next watch begin where this one ends, however quiet its kind is.
      if (request.bookmarks) bookmark()
      stream.end()
    }, request.timeoutMs)
    stream.onClose(() => clearTimeout(timeout))
    if (!request.bookmarks) return
    const interval = setInterval(bookmark, this.#options.bookmarkIntervalMs)
    stream.onClose(() => clearInterval(interval))
  }

  #sendInitial(request: WatchRequest, outlet: Outlet, stream: WatchStream): void {
    const { storage } = request.rendering.resource
    const send = (object: ApiObject): void => {
      if (request.matches(object)) stream.send(this.#line(request, 'ADDED', object))
    }
    for (const object of this.#store.list(storage, request.namespace)) outlet.object(object, send)
    if (request.markInitialEvents) outlet.line(this.#bookmark(request, { 'k8s.io/initial-events-end': 'true' }))
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
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    }
    return `${JSON.stringify({ type: 'BOOKMARK', object: { kind, apiVersion, metadata } })}\n`
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
