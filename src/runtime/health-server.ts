import { createServer, type Server } from 'node:http'
import { KmmError } from '../errors/error.ts'
import type { Metrics } from './metrics.ts'

/** One thing that must hold: its name, and what is wrong with it, or undefined. */
export interface HealthCheck {
  name: string
  check: () => string | undefined
}

/** What the server answers with. */
export interface HealthOptions {
  /** The process works; a failing check lets the kubelet restart it. */
  live: readonly HealthCheck[]
  /** The process is of use: its caches are synced. */
  ready: readonly HealthCheck[]
  metrics?: Metrics
}

/** A running server. */
export interface HealthServer {
  port: number
  stop(): Promise<void>
}

/** Splits `host:port` or `:port`. */
export function parseBindAddress(address: string): { host: string | undefined; port: number } {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  if (colon < 0 || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new KmmError(`${address} is not an address to listen on; write :PORT or HOST:PORT`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  return { host: host === '' ? undefined : host, port }
}

function answerChecks(checks: readonly HealthCheck[]): { status: number; text: string } {
  const lines = checks.map(({ name, check }) => {
    const fault = check()
    return { ok: fault === undefined, line: fault === undefined ? `[+]${name} ok` : `[-]${name} failed: ${fault}` }
  })
  const ok = lines.every((each) => each.ok)
  return { status: ok ? 200 : 503, text: `${lines.map(({ line }) => line).join('\n')}\n${ok ? 'ok' : 'failed'}\n` }
}

async function answer(path: string, options: HealthOptions): Promise<{ status: number; text: string; type?: string }> {
  if (path === '/healthz') return answerChecks(options.live)
  if (path === '/readyz') return answerChecks(options.ready)
  if (path === '/metrics' && options.metrics) {
    const { registry } = options.metrics
    return { status: 200, text: await registry.metrics(), type: registry.contentType }
  }
  return { status: 404, text: 'not found: there are /healthz, /readyz and /metrics\n' }
}

function listen(server: Server, bindAddress: string): Promise<number> {
  const { host, port } = parseBindAddress(bindAddress)
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new KmmError(`cannot listen on ${bindAddress}; is the port taken?`, {
          code: 'ConfigurationInvalid',
          fate: 'terminal',
          cause,
        }),
      ),
    )
    // Without a host Node listens on every address that the machine has, of both families.
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

/** Serves /healthz, /readyz and /metrics over plain HTTP; read-only, GET and HEAD. */
export async function startHealthServer(bindAddress: string, options: HealthOptions): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return void response.writeHead(405, { allow: 'GET, HEAD' }).end()
    void answer(path, options).then(
      ({ status, text, type }) => {
        response.writeHead(status, { 'content-type': type ?? 'text/plain; charset=utf-8' })
        response.end(request.method === 'HEAD' ? undefined : text)
      },
      () => response.writeHead(500).end('the answer could not be made\n'),
    )
  })
  const port = await listen(server, bindAddress)
  return {
    port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
