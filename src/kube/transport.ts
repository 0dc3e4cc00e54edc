import { setMaxListeners } from 'node:events'
import type { Dispatcher } from 'undici'
import { type RequestSubject, toAnswerError, toTransportError } from './api-error.ts'
import type { Clock } from './clock.ts'
import type { ConnectionSettings } from './connection.ts'
import { createCredentialSource } from './credential-source.ts'
import { createDispatcherPool } from './dispatcher-pool.ts'
import type { Credentials } from './exec-credential.ts'
import type { RunPlugin } from './plugin-process.ts'

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
  /** Starts credential plugins. */
  runPlugin?: RunPlugin | undefined
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

/** Waits for a promise that others wait for too, at most until the signal is aborted. */
async function waitFor<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  // Many requests at once share the signal of whoever sends them; each listens only while it is under way.
  setMaxListeners(0, signal)
  let stop: (() => void) | undefined
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason as Error)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([promise, stopped])
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop)
  }
}

/** Opens nothing until the first request; `close` ends all connections, also those of watches. */
export function createTransport(options: TransportOptions): Transport {
  const { connection, userAgent, clock, timeoutMs, mostConnections, runPlugin, onRequest } = options
  const pool = createDispatcherPool(connection, mostConnections)
  const source = createCredentialSource(connection, clock, runPlugin)
  const { origin, pathname, host } = new URL(connection.server)
  const basePath = pathname.replace(/\/$/, '')

  const attempt = async (request: ApiRequest, credentials: Credentials): Promise<Dispatcher.ResponseData> => {
    const startedMs = clock.monotonic()
    if (request.signal) setMaxListeners(0, request.signal)
    const { verb, resource } = request.subject
    const report = (code: string): void =>
      onRequest?.({ method: request.method, host, code, verb, resource, durationMs: clock.monotonic() - startedMs })
    try {
      const answer = await pool.use(credentials.clientCertificate).request({
        origin,
        path: basePath + request.path,
        method: request.method,
        headers: buildHeaders(request, userAgent, credentials.token),
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
    const credentials = await waitFor(source.get(), request.signal)
    const answer = await attempt(request, credentials)
    if (answer.statusCode !== 401 || !(await waitFor(source.refresh(credentials), request.signal))) return answer
    await answer.body.dump()
    return attempt(request, await waitFor(source.get(), request.signal))
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
    close: () => {
      source.close()
      return pool.close()
    },
  }
}
