import type { ServerResponse } from 'node:http'
import type { Answer } from '../http/answer.ts'
import { isTrue, type Target } from '../http/target.ts'
import type { ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import { parseFieldSelector } from '../selectors/field-selector.ts'
import { parseLabelSelector } from '../selectors/label-selector.ts'
import { badRequest, expired, invalid, StatusError } from '../status-error.ts'
import type { Store } from '../store.ts'
import type { Page, Pages } from './pages.ts'
import type { Renderer, Rendering } from './render.ts'
import type { Watches } from './watch.ts'

/** What reading needs. */
export interface ReadParts {
  store: Store
  renderer: Renderer
  pages: Pages
  watches: Watches
}

/** One read: what, and how the client wants it. */
export interface ReadRequest {
  target: Target
  query: URLSearchParams
  rendering: Rendering
}

const defaultWatchMs = 30 * 60 * 1000

/** Answers get, list and watch. */
export class Reads {
  readonly #parts: ReadParts

  constructor(parts: ReadParts) {
    this.#parts = parts
  }

  async get({ target, query, rendering }: ReadRequest): Promise<Answer> {
    const { resource } = rendering
    this.#checkFresh(parseVersion(query.get('resourceVersion'), 500))
    const object = this.#parts.store.get(resource.storage, keyOf(target))
    const shown = resource.webhook ? await resource.webhook.fromStored(object) : resource.fromStored(object)
    return this.#parts.renderer.answer(shown, rendering)
  }

  async list(request: ReadRequest): Promise<Answer> {
    const { query, rendering } = request
    const limit = parseCount(query.get('limit'))
    const token = query.get('continue') ?? ''
    checkListOptions(query, token)
    const page = token === '' ? await this.#firstPage(request, limit) : this.#parts.pages.next(token, limit)
    const objects = page.items.map((object) => rendering.resource.fromStored(object))
    // Go writes an absent token of custom resources as an empty one.
    const none = rendering.resource.custom && rendering.format.shape === 'object' ? { continue: '' } : {}
    return this.#parts.renderer.list(objects, rendering, { ...none, ...listMeta(page, query) })
  }

  /** The objects that a collection's path and selectors pick, as they are stored or as a webhook shows them. */
  async select({ target, query, rendering }: ReadRequest): Promise<readonly ApiObject[]> {
    const { resource } = rendering
    const matches = parseSelectors(query, resource)
    const all = this.#parts.store.list(resource.storage, target.namespace)
    const shown: ApiObject[] = resource.webhook ? [] : all
    // One after the other, as the real server asks.
    if (resource.webhook) for (const object of all) shown.push(await resource.webhook.fromCache(object))
    return matches ? shown.filter(matches) : shown
  }

  watch(request: ReadRequest): Answer {
    const { target, query, rendering } = request
    const bookmarks = query.has('allowWatchBookmarks') && isTrue(query.get('allowWatchBookmarks'))
    const { since, markInitialEvents } = this.#watchStart(query, bookmarks)
    const timeout = parseCount(query.get('timeoutSeconds'))
    const selected = parseSelectors(query, rendering.resource) ?? (() => true)
    const named = target.name
    const start = (response: ServerResponse): void =>
      this.#parts.watches.start(
        {
          rendering,
          ...(target.namespace === undefined ? {} : { namespace: target.namespace }),
          matches: named === undefined ? selected : (object) => object.metadata.name === named && selected(object),
          since,
          markInitialEvents,
          bookmarks,
          timeoutMs: timeout === 0 ? defaultWatchMs : timeout * 1000,
        },
        response,
      )
    return { kind: 'stream', start }
  }

  #watchStart(query: URLSearchParams, bookmarks: boolean): { since: number | undefined; markInitialEvents: boolean } {
    const version = parseVersion(query.get('resourceVersion'), 500)
    const match = query.get('resourceVersionMatch') ?? ''
    const initial = query.get('sendInitialEvents')
    if (initial === null) {
      if (match !== '')
        throw optionForbidden(
          'resourceVersionMatch',
          'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
        )
      return { since: version === undefined || version === 0 ? undefined : version, markInitialEvents: false }
    }
    if (match !== 'NotOlderThan') {
      throw optionForbidden(
        'resourceVersionMatch',
        'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      )
    }
    this.#checkFresh(version)
    if (isTrue(initial)) return { since: undefined, markInitialEvents: bookmarks }
    return { since: version ?? this.#parts.store.resourceVersion, markInitialEvents: false }
  }

  async #firstPage(request: ReadRequest, limit: number): Promise<Page> {
    const { query } = request
    const version = parseVersion(query.get('resourceVersion'), 400)
    const match = query.get('resourceVersionMatch') ?? ''
    this.#checkFresh(version)
    const now = this.#parts.store.resourceVersion
    const wantsPast = version !== undefined && version !== 0 && version < now
    if (wantsPast && (match === 'Exact' || (match === '' && limit > 0))) {
      throw expired('The resourceVersion for the provided list is too old.')
    }
    return this.#parts.pages.first(await this.select(request), String(now), limit)
  }

  /** Refuses a version that this server has not reached, as after it began anew. */
  #checkFresh(version: number | undefined): void {
    const now = this.#parts.store.resourceVersion
    if (version === undefined || version <= now) return
    throw new StatusError(`Too large resource version: ${version}, current: ${now}`, {
      status: 504,
      reason: 'Timeout',
      details: {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1,
      },
    })
  }
}

/** The key of the object that a path names. */
export function keyOf(target: Target): { name: string; namespace?: string } {
  const { name = '', namespace } = target
  return namespace === undefined ? { name } : { name, namespace }
}

function parseSelectors(
  query: URLSearchParams,
  resource: ServedResource,
): ((object: ApiObject) => boolean) | undefined {
  const labels = parseLabelSelector(query.get('labelSelector'))
  const fields = parseFieldSelector(query.get('fieldSelector'), resource)
  if (!labels) return fields
  if (!fields) return (object) => labels(object.metadata.labels)
  return (object) => labels(object.metadata.labels) && fields(object)
}

const versionMatches = ['Exact', 'NotOlderThan', '']

/** What a list may not ask for together. */
function checkListOptions(query: URLSearchParams, token: string): void {
  const version = query.get('resourceVersion') ?? ''
  if (query.has('sendInitialEvents')) {
    throw optionForbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list')
  }
  checkVersionMatch(query.get('resourceVersionMatch') ?? '', version)
  if (token !== '' && version !== '' && version !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
}

function checkVersionMatch(match: string, version: string): void {
  const field = 'resourceVersionMatch'
  if (match !== '' && version === '') {
    throw optionForbidden(field, 'resourceVersionMatch is forbidden unless resourceVersion is provided')
  }
  if (!versionMatches.includes(match)) {
    const supported = versionMatches.map((each) => JSON.stringify(each)).join(', ')
    const message = `Unsupported value: ${JSON.stringify(match)}: supported values: ${supported}`
    throw invalidOption({ field, reason: 'FieldValueNotSupported', message })
  }
  if (match === 'Exact' && version === '0') {
    throw optionForbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
}

/** `status` is what the server answers to a version that is no number: 400 to a list, 500 to anything else. */
function parseVersion(text: string | null, status: 400 | 500): number | undefined {
  if (text === null || text === '') return undefined
  if (/^\d+$/.test(text)) return Number(text)
  const quoted = JSON.stringify(text)
  const why = `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`
  if (status === 400) throw badRequest(`invalid resource version: ${why}`)
  throw new StatusError(why, { status, reason: '' })
}

function parseCount(text: string | null): number {
  if (text === null || text === '') return 0
  if (!/^-?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Math.max(Number(text), 0)
}

const optionForbidden = (field: string, why: string): StatusError =>
  invalidOption({ field, reason: 'FieldValueForbidden', message: `Forbidden: ${why}` })

const invalidOption = (cause: { field: string; reason: string; message: string }): StatusError =>
  invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [cause])

function listMeta(page: Page, query: URLSearchParams): { resourceVersion: string } {
  const { resourceVersion, continueToken, remaining } = page
  const counted = !query.get('labelSelector') && !query.get('fieldSelector')
  return {
    resourceVersion,
    ...(continueToken === undefined ? {} : { continue: continueToken }),
    ...(continueToken !== undefined && counted ? { remainingItemCount: remaining } : {}),
  }
}
