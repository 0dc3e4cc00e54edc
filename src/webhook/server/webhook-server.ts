import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import type { Certificate } from '../../kube/certificate.ts'
import type { Clock } from '../../kube/clock.ts'
import type { WebhookLogger } from '../webhook-logger.ts'
import { type ByteBudget, createByteBudget, HttpRefusal, withBody } from './read-body.ts'
import { readResult, type ReviewRecord, type ReviewResult } from './review-record.ts'
import type { Route } from './routes.ts'

/** How the server is started. */
export interface WebhookServerOptions {
  /** 0 lets the system choose. */
  port: number
  routes: ReadonlyMap<string, Route>
  certificate: Certificate
  logger: WebhookLogger
  clock: Clock
  /** Told of every review that was answered. */
  onReview?: (review: ReviewRecord) => void
}

/** A running HTTPS server. */
export interface WebhookServer {
  port: number
  /** New connections get this certificate; open ones keep theirs. */
  useCertificate(certificate: Certificate): void
  /** Ends when what is being answered is answered, or after ten seconds. */
  stop(): Promise<void>
}

const budgetBytes = 96 * 1024 * 1024
const requestTimeoutMs = 20_000
const mostConnections = 1_000
const graceMs = 10_000

interface Handling {
  routes: ReadonlyMap<string, Route>
  budget: ByteBudget
  logger: WebhookLogger
  clock: Clock
  onReview: (review: ReviewRecord) => void
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '/').split('?')[0] ?? '/'

function checkRequest(request: IncomingMessage, route: Route | undefined): Route {
  if (route === undefined) throw new HttpRefusal(404, 'nothing answers here; is the webhook for this enabled?')
  if (request.method !== 'POST') throw new HttpRefusal(405, 'reviews are posted')
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim()
  if (type !== 'application/json') throw new HttpRefusal(415, 'reviews are application/json')
  return route
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString())
  } catch {
    throw new HttpRefusal(400, 'the body is not JSON')
  }
}

/** What went wrong, as a status and words; words of what nobody expected stay in the log. */
function describeFailure(error: unknown, logger: WebhookLogger): { status: number; text: string } {
  if (error instanceof HttpRefusal) return { status: error.status, text: error.message }
  if (hasCode(error, 'Invalid')) return { status: 400, text: error.message }
  // What is nested too deeply overflows the stack; no API server sends that.
  if (error instanceof RangeError) return { status: 400, text: 'the body is nested too deeply' }
  logger.warn({ error: describeError(error) }, 'a review could not be answered')
  return { status: 500, text: 'the review could not be answered; the log of the webhook says why' }
}

async function handle(request: IncomingMessage, response: ServerResponse, handling: Handling): Promise<void> {
  const { routes, budget, logger, clock, onReview } = handling
  const startMs = clock.monotonic()
  const path = pathOf(request)
  const found = routes.get(path)
  const note = (code: number, result: ReviewResult): void => {
    // A path that nothing answers is anybody's invention.
    if (found) onReview({ path, kind: found.kind, code, result, seconds: (clock.monotonic() - startMs) / 1_000 })
  }
  try {
    const route = checkRequest(request, found)
    const answer = await withBody(request, { mostBytes: route.mostBytes, budget }, (body) =>
      route.answer(parseJson(body)),
    )
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
    note(200, readResult(answer))
  } catch (error) {
    // Who goes away in the middle gets no answer.
    if (response.destroyed || response.headersSent) return
    const { status, text } = describeFailure(error, logger)
    // The rest of the body is not read: the connection cannot be used again.
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' }).end(`${text}\n`)
    note(status, status < 500 ? 'unreadable' : 'error')
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(
        new KmmError(`cannot listen on port ${port}; is it taken? webhookPort in the configuration names another`, {
          code: 'ConfigurationInvalid',
          fate: 'terminal',
          cause,
        }),
      ),
    )
    server.listen(port, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })
}

/** Starts the HTTPS server that API servers post reviews to. */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { routes, certificate, logger, clock, onReview = () => undefined } = options
  const handling = { routes, logger, clock, onReview, budget: createByteBudget(budgetBytes) }
  const toContext = ({ certificate: cert, key }: Certificate) => ({ cert, key, minVersion: 'TLSv1.2' as const })
  const server = createServer(
    { ...toContext(certificate), requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs },
    (request, response) => void handle(request, response, handling),
  )
  server.maxConnections = mostConnections
  const port = await listen(server, options.port)
  return {
    port,
    useCertificate: (next) => server.setSecureContext(toContext(next)),
    stop: () =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.closeAllConnections(), graceMs)
        server.close(() => {
          clearTimeout(timer)
          resolve()
        })
        server.closeIdleConnections()
      }),
  }
}
