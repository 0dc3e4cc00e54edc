import { Agent, request, type Dispatcher } from 'undici'
import { startApiServer, type ApiServer, type ApiServerOptions } from './api-server.ts'
import { dig } from './table/column.ts'

/** An answer as a test looks at it; `body` is empty where the answer is no JSON object. */
export interface TestAnswer {
  status: number
  headers: Dispatcher.ResponseData['headers']
  text: string
  body: Record<string, unknown>
}

/** What a test sends besides method and path. */
export interface TestRequest {
  body?: unknown
  type?: string
  accept?: string
  token?: string
  userAgent?: string
}

/** One line of a watch. */
export interface TestEvent {
  type: string
  object: Record<string, unknown>
}

const patchTypes = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}

/** Talks plain HTTP to a server under test. */
export class TestClient {
  readonly #server: ApiServer
  readonly #agent: Agent

  constructor(server: ApiServer) {
    this.#server = server
    this.#agent = new Agent(server.certificate === undefined ? {} : { connect: { ca: server.certificate } })
  }

  async send(method: string, path: string, options: TestRequest = {}): Promise<TestAnswer> {
    const response = await this.#request(method, path, options)
    const text = await response.body.text()
    return { status: response.statusCode, headers: response.headers, text, body: parse(text) }
  }

  get(path: string, options: TestRequest = {}): Promise<TestAnswer> {
    return this.send('GET', path, options)
  }

  post(path: string, body: unknown): Promise<TestAnswer> {
    return this.send('POST', path, { body })
  }

  put(path: string, body: unknown): Promise<TestAnswer> {
    return this.send('PUT', path, { body })
  }

  patch(path: string, body: unknown, type: keyof typeof patchTypes = 'merge'): Promise<TestAnswer> {
    return this.send('PATCH', path, { body, type: patchTypes[type] })
  }

  delete(path: string, body?: unknown): Promise<TestAnswer> {
    return this.send('DELETE', path, body === undefined ? {} : { body })
  }

  /** Opens a watch; the events come one by one. */
  async watch(path: string, options: TestRequest = {}): Promise<TestWatch> {
    const response = await this.#request('GET', path, options)
    return new TestWatch(response.body)
  }

  close(): Promise<void> {
    return this.#agent.destroy()
  }

  #request(method: string, path: string, options: TestRequest): Promise<Dispatcher.ResponseData> {
    const { body, type = 'application/json', token = this.#server.token } = options
    const content = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body)
    return request(this.#server.url + path, {
      method: method as Dispatcher.HttpMethod,
      dispatcher: this.#agent,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
        ...(options.accept === undefined ? {} : { accept: options.accept }),
        'user-agent': options.userAgent ?? 'test',
      },
      body: content ?? null,
    })
  }
}

function parse(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** The events of one watch, in order. */
export class TestWatch {
  readonly #lines: AsyncIterator<string>
  readonly #body: Dispatcher.ResponseData['body']

  constructor(body: Dispatcher.ResponseData['body']) {
    this.#body = body
    this.#lines = readLines(body)
  }

  /** The next event; undefined when the server has ended the watch. */
  async next(): Promise<TestEvent | undefined> {
    const line = await this.#lines.next()
    return line.done === true ? undefined : (JSON.parse(line.value) as TestEvent)
  }

  /** Type and name of the next event, such as `ADDED a`. */
  async nextName(): Promise<string> {
    const event = await this.next()
    return event === undefined ? 'end' : `${event.type} ${String(dig(event.object, 'metadata', 'name') as string)}`
  }

  close(): void {
    this.#body.on('error', () => {})
    this.#body.destroy()
  }
}

async function* readLines(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString()
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    yield* lines
  }
}

/** A server with namespace `default` and a client for it. */
export interface TestServer {
  server: ApiServer
  client: TestClient
  stop(): Promise<void>
}

export async function startTestServer(options: ApiServerOptions = {}): Promise<TestServer> {
  const server = await startApiServer({ tls: false, ...options })
  const client = new TestClient(server)
  server.store.create(
    { group: '', plural: 'namespaces' },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } },
  )
  const stop = async (): Promise<void> => {
    await client.close()
    await server.stop()
  }
  return { server, client, stop }
}

/** A definition of `widgets.example.com`, namespaced, with a status subresource and a column for `.spec.size`. */
export function widgetDefinition(version: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
          ...version,
        },
      ],
    },
  }
}

/** A widget of namespace `default`. */
export function widget(name: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { apiVersion: 'example.com/v1', kind: 'Widget', metadata: { name }, spec: { size: 1 }, ...fields }
}

/** A ConfigMap of namespace `default`. */
export function configMap(name: string, labels: Record<string, string> = {}): Record<string, unknown> {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data: { a: '1' } }
}

/** A pod with one container, of namespace `default`. */
export function pod(name: string, spec: Record<string, unknown> = {}): Record<string, unknown> {
  const containers = [{ name: 'main', image: 'busybox' }]
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec: { containers, ...spec } }
}

export const paths = {
  configMaps: '/api/v1/namespaces/default/configmaps',
  pods: '/api/v1/namespaces/default/pods',
  definitions: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  widgets: '/apis/example.com/v1/namespaces/default/widgets',
} as const
