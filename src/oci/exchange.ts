import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import { type Dispatcher, request } from 'undici'
import { reachFrom, type Reach } from './guard.ts'
import { createFailure, explainNetworkError, type NetworkFailure } from './network-failure.ts'
import type { RegistryTls } from './settings.ts'
import { quoteUntrusted } from './text.ts'
import type { Transport } from './transport.ts'

/** One request to a registry or its token service. Credentials travel in `authorization` only, and only to the URL's own origin. */
export interface ExchangeRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  /** What is asked, for messages. */
  role: 'registry' | 'token service'
  url: URL
  headers: Readonly<Record<string, string>>
  /** Makes the body anew for each sending. */
  body?: (() => Readable | Uint8Array | string) | undefined
  authorization?: string | undefined
  reach: Reach
  tls: RegistryTls
  signal?: AbortSignal | undefined
}

/** An answer whose body must be read, dumped or destroyed. */
export interface HttpResponse {
  status: number
  headers: IncomingHttpHeaders
  body: Dispatcher.ResponseData['body']
  url: URL
  /** The answer came from the origin that was asked, not from where that redirected to. */
  isOwnOrigin: boolean
}

/** An answer, or why there is none. */
export type Outcome = { type: 'response'; response: HttpResponse } | { type: 'failure'; failure: NetworkFailure }

const maximumRedirects = 5
const redirectStatuses = [301, 302, 303, 307, 308]
const dumpLimit = 65_536
const dumpMs = 5000

interface Hop {
  url: URL
  reach: Reach
  isOwnOrigin: boolean
}

/** Ends an answer whose body nobody wants; small ones are read so that the connection can be used again. */
export async function discardBody(response: HttpResponse): Promise<void> {
  // An error while throwing bytes away concerns nobody.
  await response.body.dump({ limit: dumpLimit, signal: AbortSignal.timeout(dumpMs) }).catch(() => undefined)
}

function describeHop(first: ExchangeRequest, hop: Hop): string {
  const name = `${first.role} ${first.url.host}`
  return hop.url.host === first.url.host ? name : `${name}, which leads to ${hop.url.host},`
}

function fail(kind: NetworkFailure['kind'], message: string): Outcome {
  return { type: 'failure', failure: createFailure(kind, false, message) }
}

function findRefusal(transport: Transport, exchange: ExchangeRequest, hop: Hop): string | undefined {
  const { url } = hop
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `${quoteUntrusted(url.protocol, 20)} is not HTTP`
  if (url.protocol === 'http:' && !exchange.tls.insecure)
    return 'that is plain HTTP, which only registryTLS.insecure: true permits'
  if (url.username !== '' || url.password !== '') return 'the address holds a user name'
  return transport.findRefusal(url, hop.reach)
}

async function sendHop(transport: Transport, exchange: ExchangeRequest, hop: Hop): Promise<Outcome> {
  const refusal = findRefusal(transport, exchange, hop)
  if (refusal !== undefined) return fail('refused', `${describeHop(exchange, hop)} is not asked: ${refusal}`)
  const authorization = hop.isOwnOrigin ? exchange.authorization : undefined
  try {
    const answer = await request(hop.url, {
      method: exchange.method,
      headers: { ...exchange.headers, ...(authorization === undefined ? {} : { authorization }) },
      body: exchange.body?.() ?? null,
      dispatcher: transport.dispatcherFor(hop.url, hop.reach, exchange.tls.insecureSkipTLSVerify),
      headersTimeout: transport.limits.headersMs,
      bodyTimeout: transport.limits.stallMs,
      ...(exchange.signal ? { signal: exchange.signal } : {}),
    })
    // A body may break before anybody listens; whoever reads it sees the error then.
    answer.body.on('error', () => undefined)
    const { statusCode: status, headers, body } = answer
    return { type: 'response', response: { status, headers, body, url: hop.url, isOwnOrigin: hop.isOwnOrigin } }
  } catch (error) {
    const where = describeHop(exchange, hop)
    return { type: 'failure', failure: explainNetworkError(error, where, transport.limits, exchange.signal) }
  }
}

function findNextHop(transport: Transport, exchange: ExchangeRequest, hop: Hop, response: HttpResponse): Hop | Outcome {
  const location = response.headers.location
  const who = describeHop(exchange, hop)
  if (typeof location !== 'string' || !URL.canParse(location, hop.url.href))
    return fail('refused', `${who} redirects without saying where to`)
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD')
    return fail('refused', `${who} redirects a ${exchange.method} request, which KMM does not follow`)
  const url = new URL(location, hop.url)
  if (hop.url.protocol === 'https:' && url.protocol === 'http:' && !exchange.tls.insecure)
    return fail(
      'refused',
      `${who} redirects from HTTPS to plain HTTP at ${url.host}, which only registryTLS.insecure: true permits`,
    )
  const reach = url.hostname === hop.url.hostname ? hop.reach : reachFrom(transport.classOf(hop.url))
  return { url, reach, isOwnOrigin: hop.isOwnOrigin && url.origin === exchange.url.origin }
}

/**
 * Sends a request and follows at most five redirects by hand: credentials end at another origin and do not come back, HTTPS does
 * not turn into HTTP, and every host on the way passes the guard as seen from the one that named it. Never throws.
 */
export async function exchange(transport: Transport, exchangeRequest: ExchangeRequest): Promise<Outcome> {
  let hop: Hop = { url: exchangeRequest.url, reach: exchangeRequest.reach, isOwnOrigin: true }
  for (let redirects = 0; redirects <= maximumRedirects; redirects += 1) {
    const outcome = await sendHop(transport, exchangeRequest, hop)
    if (outcome.type === 'failure' || !redirectStatuses.includes(outcome.response.status)) return outcome
    const next = findNextHop(transport, exchangeRequest, hop, outcome.response)
    await discardBody(outcome.response)
    if ('type' in next) return next
    hop = next
  }
  return fail(
    'refused',
    `${exchangeRequest.role} ${exchangeRequest.url.host} redirects more than ${maximumRedirects} times`,
  )
}
