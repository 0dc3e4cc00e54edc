import { setMaxListeners } from 'node:events'
import type { Dispatcher } from 'undici'
import { type RequestSubject, toAnswerError, toTransportError } from './api-error.ts'
import { createTokenSource } from './bearer-token.ts'
import type { Clock } from './clock.ts'
import type { ConnectionSettings } from './connection.ts'
import { createDispatcher } from './dispatcher.ts'

/** One request to the API server. */
export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With its query; below the server's own path. */
  path: string
  subject: RequestSubject
  body?: unknown
  contentType?: string
  accept?: string
  signal?: AbortSignal | undefined
  /** The answer may stay silent for as long as it likes. */
  endless?: boolean
}

/** One answered (or failed) request, for metrics. `code` is the HTTP status, or `<error>`. */
export interface RequestOutcome {
  method: string
  host: string
  code: string
  verb: string
  resource: string
  durationMs: number
}

/** Sends requests over one pool of connections, with credentials, and turns failures into KmmErrors. */
export interface Transport {
  /** The body of a successful answer; it must be read or destroyed. */
  send(request: ApiRequest): Promise<Dispatcher.ResponseData['body']>
  close(): Promise<void>
}

/** What a transport is made of. */
export interface TransportOptions {
  connection: ConnectionSettings
  userAgent: string
  clock: Clock
  /** How long the server may take for headers, and then between two pieces of a body. */
  timeoutMs: number
  mostConnections?: number | undefined
  onRequest?: ((outcome: RequestOutcome) => void) | undefined
}

const errorBodyLimitBytes = 64 * 1_024

async function readErrorBody(body: Dispatcher.ResponseData['body']): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body as AsyncIterable<Buffer>) {
    parts.push(part)
    length += part.length
    if (length >= errorBodyLimitBytes) break
  }
  return Buffer.concat(parts).subarray(0, errorBodyLimitBytes).toString('utf8')
}

function buildHeaders(request: ApiRequest, userAgent: string, token: string | undefined): Record<string, string> {
  return {
    accept: request.accept ?? 'application/json',
    'user-agent': userAgent,
    ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  }
}

/** Opens nothing until the first request; `close` ends all connections, also those of watches. */
export function createTransport(options: TransportOptions): Transport {
  const { connection, userAgent, clock, timeoutMs, mostConnections, onRequest } = options
  const dispatcher = createDispatcher(connection, mostConnections)
  const tokens = createTokenSource(connection, clock)
  const { origin, pathname, host } = new URL(connection.server)
  const basePath = pathname.replace(/\/$/, '')

  const attempt = async (request: ApiRequest, token: string | undefined): Promise<Dispatcher.ResponseData> => {
    const startedMs = clock.monotonic()
    // Many requests at once share the signal of whoever sends them; each listens only while it is under way.
    if (request.signal) setMaxListeners(0, request.signal)
    const { verb, resource } = request.subject
    const report = (code: string): void =>
      onRequest?.({ method: request.method, host, code, verb, resource, durationMs: clock.monotonic() - startedMs })
    try {
      const answer = await dispatcher.request({
        origin,
        path: basePath + request.path,
        method: request.method,
        headers: buildHeaders(request, userAgent, token),
        ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
        // undici would end the connection after each DELETE with a body, which every deletion here has.
        reset: false,
        ...(request.signal ? { signal: request.signal } : {}),
        headersTimeout: timeoutMs,
        bodyTimeout: request.endless ? 0 : timeoutMs,
      })
      report(String(answer.statusCode))
      return answer
    } catch (error) {
      report('<error>')
      throw error
    }
  }

  const sendOnce = async (request: ApiRequest): Promise<Dispatcher.ResponseData> => {
    const token = await tokens.get()
    const answer = await attempt(request, token)
    if (answer.statusCode !== 401 || !(await tokens.refresh(token))) return answer
    await answer.body.dump()
    return attempt(request, await tokens.get())
  }

  return {
    send: async (request) => {
      try {
        const { statusCode, headers, body } = await sendOnce(request)
        if (statusCode >= 200 && statusCode < 300) return body
        const retryAfter = headers['retry-after']
        throw toAnswerError(request.subject, {
          status: statusCode,
          body: await readErrorBody(body),
          retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
          nowMs: clock.now(),
        })
      } catch (error) {
        throw toTransportError(request.subject, error, request.signal)
      }
    },
    close: () => dispatcher.destroy(),
  }
}
