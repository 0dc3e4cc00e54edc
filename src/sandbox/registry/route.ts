import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RegistryRequest, RequestKind } from './types.ts'

const namePattern = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*)*'

const routes: readonly { kind: RequestKind; pattern: RegExp }[] = [
  { kind: 'ping', pattern: /^\/v2\/?$/ },
  { kind: 'token', pattern: /^\/token$/ },
  { kind: 'catalog', pattern: /^\/v2\/_catalog$/ },
  { kind: 'tags', pattern: new RegExp(`^/v2/(${namePattern})/tags/list$`) },
  { kind: 'upload', pattern: new RegExp(`^/v2/(${namePattern})/blobs/uploads/?([^/]*)$`) },
  { kind: 'blob', pattern: new RegExp(`^/v2/(${namePattern})/blobs/([^/]+)$`) },
  { kind: 'manifest', pattern: new RegExp(`^/v2/(${namePattern})/manifests/([^/]+)$`) },
  { kind: 'referrers', pattern: new RegExp(`^/v2/(${namePattern})/referrers/([^/]+)$`) },
]

/** Says what a path asks for, of which repository, under which reference. */
export function parseRoute(path: string): { kind: RequestKind; repository: string; reference: string } {
  for (const { kind, pattern } of routes) {
    const match = pattern.exec(path)
    if (match) return { kind, repository: match[1] ?? '', reference: decodeURIComponent(match[2] ?? '') }
  }
  return { kind: 'other', repository: '', reference: '' }
}

/** The user name and password of a Basic header; undefined for any other header. */
export function parseBasic(header: string | undefined): { username: string; password: string } | undefined {
  const match = /^basic\s+(\S+)$/i.exec(header ?? '')
  if (!match) return undefined
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

function kindOfAuthorization(header: string | undefined): RegistryRequest['authorization'] {
  if (header === undefined) return 'none'
  if (/^basic\s/i.test(header)) return 'basic'
  return /^bearer\s/i.test(header) ? 'bearer' : 'other'
}

/** Makes the log's record of a request that has just arrived; its status is 0 until an answer begins. */
export function recordRequest(request: IncomingMessage, response: ServerResponse, url: URL): RegistryRequest {
  const { authorization, range } = request.headers
  return {
    method: request.method ?? '',
    path: `${url.pathname}${url.search}`,
    ...parseRoute(url.pathname),
    get status() {
      return response.headersSent ? response.statusCode : 0
    },
    authorization: kindOfAuthorization(authorization),
    username: parseBasic(authorization)?.username ?? '',
    userAgent: request.headers['user-agent'] ?? '',
    range: range ?? '',
  }
}
