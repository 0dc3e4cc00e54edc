import type { Dispatcher } from 'undici'
import type { ConnectionSettings } from '../../../src/kube/connection.ts'
import { createDispatcher } from '../../../src/kube/dispatcher.ts'

/** An answer of the API server as a case shows it. */
export interface ApiAnswer {
  status: number
  /** Only when it is not `application/json`. */
  type?: string
  /** Texts of the Warning headers. */
  warnings?: string[]
  /** Parsed where it is JSON. */
  body: Body
}

/** A body of any shape: cases read the fields that they know to be there. */
export type Body = Record<string, unknown> & { metadata?: Record<string, unknown> }

/** What is sent besides method and path. */
export interface ApiCall {
  body?: unknown
  /** Default `application/json`. */
  type?: string
  accept?: string
  headers?: Record<string, string>
  /** Instead of the administrator's credentials. */
  token?: string
}

/** One line of a watch. */
export interface ApiEvent {
  type: string
  object: Body
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const

/** Talks plain HTTP to an API server, and hides nothing of its answers. */
export class ApiClient {
  readonly #connection: ConnectionSettings
  readonly #dispatcher: Dispatcher
  readonly #anonymous: Dispatcher

  constructor(connection: ConnectionSettings) {
    this.#connection = connection
    this.#dispatcher = createDispatcher(connection, undefined)
    const { clientCertificate: _certificate, ...withoutCertificate } = connection
    this.#anonymous = createDispatcher(withoutCertificate, undefined)
  }

  async send(method: string, path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    const response = await this.#request(method, path, call)
    const text = await response.body.text()
    return describeAnswer(response, text)
  }

  get(path: string, call?: ApiCall): Promise<ApiAnswer> {
    return this.send('GET', path, call)
  }

  post(path: string, body: unknown, call?: ApiCall): Promise<ApiAnswer> {
    return this.send('POST', path, { ...call, body })
  }

  put(path: string, body: unknown, call?: ApiCall): Promise<ApiAnswer> {
    return this.send('PUT', path, { ...call, body })
  }

  patch(path: string, type: keyof typeof patchTypes, body: unknown): Promise<ApiAnswer> {
    return this.send('PATCH', path, { body, type: patchTypes[type] })
  }

  delete(path: string, body?: unknown): Promise<ApiAnswer> {
    return this.send('DELETE', path, body === undefined ? {} : { body })
  }

  /** The events of a watch until `enough` says so, or the server ends it, or the time is over. */
  async watch(path: string, enough: (events: ApiEvent[]) => boolean, timeoutMs = 15_000): Promise<ApiEvent[]> {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await this.#request('GET', path, {}, signal)
    const events: ApiEvent[] = []
    try {
      for await (const event of readEvents(response.body)) {
        events.push(event)
        if (enough(events)) break
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      response.body.on('error', () => undefined)
      response.body.destroy()
    }
    return events
  }

  close(): Promise<void> {
    return Promise.all([this.#dispatcher.destroy(), this.#anonymous.destroy()]).then(() => undefined)
  }

  #request(method: string, path: string, call: ApiCall, signal?: AbortSignal): Promise<Dispatcher.ResponseData> {
    const { body, type = 'application/json' } = call
    const token = call.token ?? this.#connection.token
    const { origin } = new URL(this.#connection.server)
    return (call.token === undefined ? this.#dispatcher : this.#anonymous).request({
      origin,
      path,
      method: method as Dispatcher.HttpMethod,
      headers: {
        ...(token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
        accept: call.accept ?? 'application/json',
        'user-agent': 'conformance/1',
        ...call.headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
      reset: false,
    })
  }
}

function describeAnswer({ statusCode, headers }: Dispatcher.ResponseData, text: string): ApiAnswer {
  const type = String(headers['content-type'] ?? '')
  const warnings = [headers['warning'] ?? []].flat().flatMap(readWarnings)
  return {
    status: statusCode,
    ...(type === 'application/json' ? {} : { type }),
    ...(warnings.length === 0 ? {} : { warnings }),
    body: parse(text),
  }
}

function parse(text: string): Body {
  try {
    return JSON.parse(text) as Body
  } catch {
    return text as unknown as Body
  }
}

/** A header may hold several: `299 - "text", 299 - "text"`. */
const readWarnings = (header: string): string[] =>
  [...header.matchAll(/299 - ("(?:[^"\\]|\\.)*")/g)].map((match) => unquote(match[1] ?? '""'))

const unquote = (quoted: string): string => quoted.slice(1, -1).replaceAll(/\\(.)/g, '$1')

async function* readEvents(body: AsyncIterable<Buffer>): AsyncGenerator<ApiEvent> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString()
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as ApiEvent
  }
  if (text.trim() !== '') yield JSON.parse(text) as ApiEvent
}
