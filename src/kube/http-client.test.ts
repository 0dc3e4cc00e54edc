import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type ErrorCode, KmmError } from '../errors/error.ts'
import type { WatchEvent } from './client.ts'
import { leases, namespaces, nodes, pods } from './core-resources.ts'
import { recordEvent, tell } from './events.ts'
import { createKubeClient, type HttpKubeClient, type KubeClientOptions } from './http-client.ts'
import type { RequestOutcome } from './transport.ts'

interface Seen {
  method: string
  url: string
  headers: IncomingMessage['headers']
  body: string
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void

interface Rig {
  client: HttpKubeClient
  server: Server
  seen: Seen[]
  url: string
}

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

async function startRig(handler: Handler, options: Partial<KubeClientOptions> = {}): Promise<Rig> {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      seen.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      handler(request, response, body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createKubeClient({
    userAgent: 'kmm-operator/1.2.3',
    ...options,
    connection: { server: url, insecureSkipTlsVerify: false, token: 'secret', ...options.connection },
  })
  cleanUps.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
    () => client.close(),
  )
  return { client, server, seen, url }
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
}

async function failure(promise: Promise<unknown>): Promise<KmmError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(KmmError)
  return error as KmmError
}

async function collect<T>(events: AsyncIterable<WatchEvent<T>>, into: WatchEvent<T>[]): Promise<void> {
  for await (const event of events) into.push(event)
}

describe('requests', () => {
  it('names the object in the path and sends the token and the user agent', async () => {
    const { client, seen } = await startRig((_, response) => json(response, 200, { metadata: { name: 'a' } }))
    expect(await client.get(pods, { namespace: 'default', name: 'a' })).toEqual({ metadata: { name: 'a' } })
    expect(seen[0]).toMatchObject({
      method: 'GET',
      url: '/api/v1/namespaces/default/pods/a',
      headers: { authorization: 'Bearer secret', 'user-agent': 'kmm-operator/1.2.3' },
    })
  })

  it('keeps the path of a server behind a prefix', async () => {
    const rig = await startRig((_, response) => json(response, 200, {}))
    const client = createKubeClient({
      userAgent: 'x',
      connection: { server: `${rig.url}/k8s/clusters/c`, insecureSkipTlsVerify: false },
    })
    cleanUps.push(() => client.close())
    await client.get(leases, { namespace: 'kmm', name: 'l' })
    expect(rig.seen[0]?.url).toBe('/k8s/clusters/c/apis/coordination.k8s.io/v1/namespaces/kmm/leases/l')
    expect(rig.seen[0]?.headers.authorization).toBeUndefined()
  })

  it('sends selectors, page size and continue token of a list and gives items their kind', async () => {
    const { client, seen } = await startRig((_, response) =>
      json(response, 200, {
        metadata: { resourceVersion: '7', continue: 'next' },
        items: [{ metadata: { name: 'n' } }],
      }),
    )
    const answer = await client.list(nodes, { labelSelector: 'a in (b,c)', limit: 500, continueToken: 'x y' })
    expect(seen[0]?.url).toBe('/api/v1/nodes?limit=500&continue=x%20y&labelSelector=a%20in%20(b%2Cc)')
    expect(answer).toEqual({
      items: [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } }],
      resourceVersion: '7',
      continueToken: 'next',
    })
  })

  it.each([
    ['merge', 'application/merge-patch+json', { a: null }],
    ['json', 'application/json-patch+json', [{ op: 'remove', path: '/a' }]],
    ['strategic', 'application/strategic-merge-patch+json', { a: 1 }],
  ] as const)('sends a %s patch with its content type', async (type, contentType, body) => {
    const { client, seen } = await startRig((_, response) => json(response, 200, {}))
    await client.patch(nodes, { name: 'n' }, { type, body } as never, { subresource: 'status' })
    expect(seen[0]).toMatchObject({ method: 'PATCH', url: '/api/v1/nodes/n/status', body: JSON.stringify(body) })
    expect(seen[0]?.headers['content-type']).toBe(contentType)
  })

  it('replaces the object, or its status, at its own path', async () => {
    const { client, seen } = await startRig((_, response) => json(response, 200, {}))
    await client.replace(pods, { metadata: { name: 'a', namespace: 'b' } })
    await client.replace(pods, { metadata: { name: 'a', namespace: 'b' } }, { subresource: 'status' })
    expect(seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'PUT /api/v1/namespaces/b/pods/a',
      'PUT /api/v1/namespaces/b/pods/a/status',
    ])
  })

  it('sends the preconditions of a deletion and answers what is left of the object', async () => {
    const metadata = { name: 'a', deletionTimestamp: '2026-01-01T00:00:00Z' }
    const answers: unknown[] = [
      { kind: 'Status', status: 'Success' },
      { kind: 'Pod', metadata: { ...metadata, deletionGracePeriodSeconds: 30 } },
      { kind: 'Pod', metadata: { ...metadata, deletionGracePeriodSeconds: 0, finalizers: ['x/y'] } },
      { kind: 'Pod', metadata: { ...metadata, deletionGracePeriodSeconds: 0 } },
      { kind: 'Pod', metadata: { name: 'a' } },
    ]
    const { client, seen } = await startRig((_, response) => json(response, 200, answers.shift()))
    const left: boolean[] = []
    for (let index = 0; index < 5; index++)
      left.push(
        (await client.delete(pods, { namespace: 'b', name: 'a' }, { preconditions: { uid: 'u' } })) !== undefined,
      )
    expect(left).toEqual([false, true, true, false, false])
    expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ kind: 'DeleteOptions', preconditions: { uid: 'u' } })
  })

  it('refuses a namespaced object without a namespace before sending anything', async () => {
    const { client, seen } = await startRig((_, response) => json(response, 200, {}))
    expect((await failure(client.get(pods, { name: 'a' }))).code).toBe('Internal')
    expect((await failure(client.create(pods, { metadata: { name: 'a' } }))).code).toBe('Internal')
    expect((await failure(client.create(nodes, { metadata: {} }))).code).toBe('Internal')
    expect(seen).toEqual([])
  })

  it('answers the text of any path', async () => {
    const { client, seen } = await startRig((_, response) => response.end('line 1\nline 2\n'))
    expect(await client.getRaw('/api/v1/namespaces/a/pods/b/log?container=worker')).toBe('line 1\nline 2\n')
    expect(seen[0]?.url).toBe('/api/v1/namespaces/a/pods/b/log?container=worker')
  })

  it('reuses connections for requests that follow each other', async () => {
    const { client, server } = await startRig((_, response) => json(response, 200, {}))
    let connections = 0
    server.on('connection', () => connections++)
    for (let index = 0; index < 20; index++) {
      await client.get(nodes, { name: `n${index}` })
      await client.delete(nodes, { name: `n${index}` }, { preconditions: { uid: 'u' } })
    }
    // The next request may start before the last connection counts as free.
    expect(connections).toBeLessThanOrEqual(2)
  })

  it('opens no more connections than it may, and lets the rest wait', async () => {
    const { client, server } = await startRig((_, response) => json(response, 200, {}), { mostConnections: 3 })
    let connections = 0
    server.on('connection', () => connections++)
    await Promise.all(Array.from({ length: 40 }, (_, index) => client.get(nodes, { name: `n${index}` })))
    expect(connections).toBe(3)
  })

  it('lets many requests share a signal without a warning', async () => {
    const { client } = await startRig((_, response) => json(response, 200, {}))
    const warnings: Error[] = []
    const listen = (warning: Error): void => {
      if (warning.name === 'MaxListenersExceededWarning') warnings.push(warning)
    }
    process.on('warning', listen)
    cleanUps.push(() => process.off('warning', listen))
    const { signal } = new AbortController()
    await Promise.all(Array.from({ length: 30 }, () => client.get(nodes, { name: 'n' }, signal)))
    expect(warnings).toEqual([])
  })

  it('tells of every request for the metrics', async () => {
    const outcomes: RequestOutcome[] = []
    const { client } = await startRig((_, response) => json(response, 404, {}), {
      onRequest: (each) => outcomes.push(each),
    })
    await failure(client.get(nodes, { name: 'n' }))
    expect(outcomes).toEqual([
      expect.objectContaining({
        method: 'GET',
        code: '404',
        verb: 'get',
        resource: 'nodes',
        host: expect.stringMatching(/^127/),
      }),
    ])
  })
})

describe('failures', () => {
  const cases: [number, string, ErrorCode, string][] = [
    [400, 'BadRequest', 'Invalid', 'terminal'],
    [403, 'Forbidden', 'Forbidden', 'wait'],
    [404, 'NotFound', 'NotFound', 'retry'],
    [409, 'AlreadyExists', 'AlreadyExists', 'retry'],
    [409, 'Conflict', 'Conflict', 'retry'],
    [410, 'Expired', 'Expired', 'retry'],
    [422, 'Invalid', 'Invalid', 'terminal'],
    [429, 'TooManyRequests', 'TooManyRequests', 'retry'],
    [500, 'InternalError', 'ServerError', 'retry'],
    [501, 'NotImplemented', 'ServerError', 'wait'],
    [503, 'ServiceUnavailable', 'ServerError', 'retry'],
    [504, 'Timeout', 'TimedOut', 'retry'],
  ]

  it.each(cases)('turns %i %s into %s, fate %s', async (status, reason, code, fate) => {
    const { client } = await startRig((_, response) =>
      json(response, status, { kind: 'Status', status: 'Failure', reason, message: 'the server says why' }),
    )
    const error = await failure(client.patch(nodes, { name: 'worker-1' }, { type: 'merge', body: {} }))
    expect(error).toMatchObject({ code, fate })
    expect(error.message).toBe(
      `cannot patch nodes worker-1: the API server answered ${status} ${reason}: the server says why`,
    )
  })

  it('carries how long the server asks to wait, from the header or the Status', async () => {
    const answers = [
      (response: ServerResponse) => json(response, 429, { reason: 'TooManyRequests' }, { 'retry-after': '3' }),
      (response: ServerResponse) => json(response, 504, { details: { retryAfterSeconds: 2 } }),
    ]
    const { client } = await startRig((_, response) => answers.shift()?.(response))
    expect((await failure(client.list(nodes))).retryAfterMs).toBe(3_000)
    expect((await failure(client.list(nodes))).retryAfterMs).toBe(2_000)
  })

  it('quotes an answer that is no Status object, shortened', async () => {
    const { client } = await startRig((_, response) =>
      response.writeHead(502).end(`<html>bad gateway ${'x'.repeat(100_000)}`),
    )
    const error = await failure(client.get(nodes, { name: 'n' }))
    expect(error.code).toBe('ServerError')
    expect(error.message).toMatch(/^cannot get nodes n: the API server answered 502 ServerError: <html>bad gateway/)
    expect(error.message.length).toBeLessThan(3_000)
  })

  it('reports a success that is not JSON', async () => {
    const { client } = await startRig((_, response) => response.end('<html>'))
    expect(await failure(client.get(nodes, { name: 'n' }))).toMatchObject({
      code: 'ServerError',
      message: expect.stringMatching(/is not JSON/),
    })
  })

  it('reports a server that is not there', async () => {
    const rig = await startRig((_, response) => response.end())
    await new Promise((resolve) => rig.server.close(resolve))
    const error = await failure(rig.client.list(pods, { namespace: 'default' }))
    expect(error).toMatchObject({ code: 'Unreachable', fate: 'retry' })
    expect(error.message).toBe('cannot list pods default: cannot reach the API server')
  })

  it('reports a connection that breaks in the middle of an answer', async () => {
    const { client } = await startRig((_, response) => {
      response.writeHead(200, { 'content-length': '1000' }).write('{"metadata":')
      setImmediate(() => response.destroy())
    })
    expect((await failure(client.get(nodes, { name: 'n' }))).code).toBe('Unreachable')
  })

  it('gives up on a server that stays silent', async () => {
    const { client } = await startRig(() => undefined, { timeoutMs: 50 })
    expect((await failure(client.get(nodes, { name: 'n' }))).code).toBe('TimedOut')
  })

  it('stops when the signal is aborted', async () => {
    const controller = new AbortController()
    const { client } = await startRig(() => controller.abort())
    const error = await failure(client.get(nodes, { name: 'n' }, controller.signal))
    expect(error).toMatchObject({ code: 'Aborted', message: 'stopped: get nodes n' })
  })
})

describe('token files', () => {
  async function startTokenRig(accepted: string) {
    const folder = mkdtempSync(join(tmpdir(), 'kmm-token-'))
    cleanUps.push(() => rmSync(folder, { recursive: true }))
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, 'old\n')
    const rig = await startRig(
      (request, response) =>
        request.headers.authorization === `Bearer ${accepted}` ? json(response, 200, {}) : json(response, 401, {}),
      { connection: { tokenFile } as never },
    )
    const client = createKubeClient({
      userAgent: 'x',
      connection: { server: rig.url, insecureSkipTlsVerify: false, tokenFile },
    })
    cleanUps.push(() => client.close())
    return { ...rig, client, tokenFile }
  }

  it('reads the file again when the server answers 401, and asks once more', async () => {
    const { client, seen, tokenFile } = await startTokenRig('new')
    await failure(client.get(nodes, { name: 'n' }))
    expect(seen.length).toBe(1)
    writeFileSync(tokenFile, 'new')
    await client.get(nodes, { name: 'n' })
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer old', 'Bearer new'])
  })

  it('answers Unauthorized when the new token is refused too', async () => {
    const { client, seen, tokenFile } = await startTokenRig('other')
    await failure(client.get(nodes, { name: 'n' }))
    writeFileSync(tokenFile, 'new')
    expect((await failure(client.get(nodes, { name: 'n' }))).code).toBe('Unauthorized')
    expect(seen.length).toBe(3)
  })
})

describe('watch', () => {
  const event = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`
  const node = (name: string) => ({ kind: 'Node', metadata: { name, resourceVersion: '5' } })
  const forever = (): AbortSignal => new AbortController().signal

  it('asks for bookmarks and delivers events, wherever the chunks are cut', async () => {
    const text = Buffer.from(
      event('ADDED', node('größe-€')) +
        event('BOOKMARK', { kind: 'Node', metadata: { resourceVersion: '9' } }) +
        event('DELETED', node('b')),
    )
    const { client, seen } = await startRig((_, response) => {
      const writeFrom = (start: number): void => {
        if (start >= text.length) return void response.end()
        response.write(text.subarray(start, start + 7), () => setImmediate(() => writeFrom(start + 7)))
      }
      writeFrom(0)
    })
    const events: WatchEvent<unknown>[] = []
    await collect(client.watch(nodes, { resourceVersion: '4', timeoutSeconds: 300, signal: forever() }), events)
    expect(seen[0]?.url).toBe('/api/v1/nodes?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=4')
    expect(events).toEqual([
      { type: 'ADDED', object: node('größe-€') },
      { type: 'BOOKMARK', resourceVersion: '9' },
      { type: 'DELETED', object: node('b') },
    ])
  })

  async function watchFailure(body: string, options: Partial<KubeClientOptions> = {}) {
    const { client } = await startRig((_, response) => response.end(body), options)
    const events: WatchEvent<unknown>[] = []
    const error = await failure(collect(client.watch(nodes, { resourceVersion: '4', signal: forever() }), events))
    return { error, events }
  }

  it('throws on a malformed line instead of dropping it', async () => {
    const { error, events } = await watchFailure(
      `${event('ADDED', node('a'))}{"type":"ADD\n${event('ADDED', node('b'))}`,
    )
    expect(events.length).toBe(1)
    expect(error).toMatchObject({
      code: 'ServerError',
      message: expect.stringMatching(/^cannot watch nodes: .*malformed/),
    })
  })

  it('throws on an event that was cut off', async () => {
    const { error } = await watchFailure(event('ADDED', node('a')).slice(0, 20))
    expect(error.code).toBe('ServerError')
  })

  it('throws on an unknown type', async () => {
    expect((await watchFailure(event('RENAMED', node('a')))).error.code).toBe('ServerError')
  })

  it('throws Expired on an ERROR event with code 410', async () => {
    const status = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' }
    expect((await watchFailure(event('ERROR', status))).error.code).toBe('Expired')
  })

  it('throws ServerError on another ERROR event', async () => {
    const { error } = await watchFailure(event('ERROR', { kind: 'Status', code: 500, message: 'etcd' }))
    expect(error).toMatchObject({ code: 'ServerError', message: expect.stringMatching(/etcd/) })
  })

  it('refuses a line without an end', async () => {
    const { error } = await watchFailure(`{"type":"ADDED","object":{"x":"${'x'.repeat(5_000)}`, {
      maxWatchLineBytes: 1_000,
    })
    expect(error.code).toBe('LimitExceeded')
  })

  it('stays open when the server is silent for longer than other requests may take', async () => {
    const controller = new AbortController()
    const { client } = await startRig((_, response) => response.writeHead(200).write(event('ADDED', node('a'))), {
      // A watch, too, has to begin within that time.
      timeoutMs: 1_000,
    })
    const iterator = client.watch(nodes, { resourceVersion: '4', signal: controller.signal })[Symbol.asyncIterator]()
    await iterator.next()
    const next = failure(Promise.resolve(iterator.next()))
    expect((await failure(client.getRaw('/stalls'))).code).toBe('TimedOut')
    controller.abort()
    expect((await next).code).toBe('Aborted')
  })

  it('ends with an error when the connection breaks', async () => {
    const { client } = await startRig((_, response) => {
      response.writeHead(200).write(event('ADDED', node('a')))
      setImmediate(() => response.destroy())
    })
    const events: WatchEvent<unknown>[] = []
    const watching = collect(client.watch(nodes, { resourceVersion: '4', signal: forever() }), events)
    expect((await failure(watching)).code).toBe('Unreachable')
    expect(events.length).toBe(1)
  })
})

describe('events', () => {
  it('records an Event about a cluster-scoped object in the default namespace', async () => {
    const { client, seen } = await startRig((_, response) => json(response, 201, {}))
    await recordEvent(client, {
      name: 'worker-1.loaded',
      regarding: { apiVersion: 'v1', kind: 'Node', name: 'worker-1', uid: 'u' },
      type: 'Normal',
      reason: 'ModuleLoaded',
      message: '€'.repeat(1_000),
      annotations: { module: 'a/b' },
      atMs: Date.UTC(2026, 0, 1),
    })
    expect(seen[0]?.url).toBe('/api/v1/namespaces/default/events')
    const body = JSON.parse(seen[0]?.body ?? '') as { message: string }
    expect(body).toMatchObject({
      metadata: { name: 'worker-1.loaded', namespace: 'default', annotations: { module: 'a/b' } },
      source: { component: 'kmm' },
      firstTimestamp: '2026-01-01T00:00:00Z',
      count: 1,
    })
    expect(Buffer.byteLength(body.message)).toBeLessThanOrEqual(1_024)
    expect(body.message).toMatch(/^€+…$/)
  })

  it('counts an Event of that name that exists already as recorded, and throws anything else', async () => {
    const answers = [
      { status: 409, reason: 'AlreadyExists' },
      { status: 403, reason: 'Forbidden' },
    ]
    const { client } = await startRig((_, response) => {
      const { status = 500, reason } = answers.shift() ?? {}
      json(response, status, { kind: 'Status', reason })
    })
    const regarding = { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'ns' }
    const input = { name: 'e', regarding, type: 'Warning', reason: 'R', message: 'm' } as const
    await recordEvent(client, input)
    expect((await failure(recordEvent(client, input))).code).toBe('Forbidden')
  })

  it('tells the log of an Event that is refused, and throws what may pass', async () => {
    const answers = [
      { status: 403, reason: 'Forbidden', message: 'exceeded quota' },
      { status: 500, reason: 'InternalError' },
    ]
    const { client } = await startRig((_, response) => {
      const { status = 500, ...said } = answers.shift() ?? {}
      json(response, status, { kind: 'Status', ...said })
    })
    const regarding = { apiVersion: 'v1', kind: 'Pod', name: 'p', namespace: 'ns' }
    const input = { name: 'e', regarding, type: 'Warning', reason: 'R', message: 'm' } as const
    const said: string[] = []
    const tools = { client, warn: (line: string) => void said.push(line) }
    const { signal } = new AbortController()
    await tell(input, tools, signal)
    expect(said).toEqual([expect.stringMatching(/^event R of Pod p was refused: m \(.*exceeded quota/)])
    expect((await failure(tell(input, tools, signal))).code).toBe('ServerError')
  })
})

it('sees a namespace that its own finalizers hold as still there', async () => {
  const terminating = {
    kind: 'Namespace',
    metadata: { name: 'a', deletionTimestamp: 'x' },
    spec: { finalizers: ['kubernetes'] },
  }
  const { client } = await startRig((_, response) => json(response, 200, terminating))
  expect(await client.delete(namespaces, { name: 'a' })).toEqual(terminating)
})
