import { badRequest, expired } from '../status-error.ts'
import { isRecord, type ApiObject } from '../object.ts'

/** One page of a list, and what fetches the next. */
export interface Page {
  items: readonly ApiObject[]
  resourceVersion: string
  continueToken?: string
  remaining: number
}

interface Snapshot {
  items: readonly ApiObject[]
  resourceVersion: string
  takenAtMs: number
}

/** How long and how many unfinished lists are kept. */
export interface PagesOptions {
  now(): number
  maxAgeMs: number
  maxCount: number
}

const expiredMessage =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.'

/** Lists in pages: what a list saw when it began is kept, so that its later pages fit to its first. */
export class Pages {
  readonly #options: PagesOptions
  readonly #snapshots = new Map<string, Snapshot>()
  #counter = 0

  constructor(options: PagesOptions) {
    this.#options = options
  }

  /** Begins a list of `limit` objects a page; 0 means all in one page. */
  first(items: readonly ApiObject[], resourceVersion: string, limit: number): Page {
    if (limit <= 0 || items.length <= limit) return { items, resourceVersion, remaining: 0 }
    const id = String(++this.#counter)
    this.#forget()
    this.#snapshots.set(id, { items, resourceVersion, takenAtMs: this.#options.now() })
    return this.#page(id, 0, limit)
  }

  /** Goes on with a list; 410 when it is no longer kept. */
  next(token: string, limit: number): Page {
    const { id, start } = decodeToken(token)
    this.#forget()
    if (!this.#snapshots.has(id)) throw expired(expiredMessage)
    return this.#page(id, start, limit)
  }

  /** Forgets every unfinished list, as a compaction does. */
  expireAll(): void {
    this.#snapshots.clear()
  }

  #page(id: string, start: number, limit: number): Page {
    const snapshot = this.#snapshots.get(id)
    if (!snapshot) throw expired(expiredMessage)
    const { resourceVersion } = snapshot
    const end = limit <= 0 ? snapshot.items.length : start + limit
    const items = snapshot.items.slice(start, end)
    const remaining = Math.max(0, snapshot.items.length - end)
    if (remaining === 0) return { items, resourceVersion, remaining }
    return { items, resourceVersion, remaining, continueToken: encodeToken({ id, start: end }) }
  }

  #forget(): void {
    const { maxAgeMs, maxCount } = this.#options
    for (const [id, { takenAtMs }] of this.#snapshots) {
      const isOld = this.#options.now() - takenAtMs > maxAgeMs
      if (!isOld && this.#snapshots.size <= maxCount) return
      this.#snapshots.delete(id)
    }
  }
}

interface Token {
  id: string
  start: number
}

function encodeToken(token: Token): string {
  return Buffer.from(JSON.stringify({ v: 'kmm.sandbox/v1', ...token })).toString('base64url')
}

function decodeToken(text: string): Token {
  const token = parseToken(text)
  if (isRecord(token) && typeof token['id'] === 'string' && typeof token['start'] === 'number') {
    return { id: token['id'], start: token['start'] }
  }
  throw badRequest('continue key is not valid: it was not made by this server')
}

function parseToken(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString())
  } catch {
    return undefined
  }
}
