import { exchange, type ExchangeRequest, type Outcome } from './exchange.ts'
import { reachFrom } from './guard.ts'
import type { Endpoint } from './mirrors.ts'
import { dockerHub } from './reference.ts'
import type { Transport } from './transport.ts'

/** What is sent to the repository of an endpoint. */
export interface RoutedRequest {
  method: ExchangeRequest['method']
  /** Below `/v2/<repository>/`, or a whole URL that the registry gave for an upload. */
  target: string | URL
  headers?: Readonly<Record<string, string>>
  body?: ExchangeRequest['body']
  signal?: AbortSignal | undefined
}

/** The way to an endpoint: its address, and whether it speaks HTTPS or, where that is allowed, plain HTTP. */
export interface Route {
  /** `host[:port]` that is talked to. */
  readonly host: string
  exchange(request: RoutedRequest, authorization: string | undefined): Promise<Outcome>
}

/** How an endpoint is talked to. */
export type Scheme = 'https' | 'http'

/** Docker Hub serves its API elsewhere than its name says. */
function findApiHost(registry: string): string {
  return registry === dockerHub ? 'registry-1.docker.io' : registry
}

/** True when HTTPS failed in a way in which plain HTTP may do better: not for a certificate or a refused address. */
function mayBePlain(outcome: Outcome): boolean {
  return outcome.type === 'failure' && (outcome.failure.kind === 'plain-http' || outcome.failure.kind === 'network')
}

/** What the routes of a client share; `schemes` remembers, by host, in which scheme it first answered. */
export interface RouteContext {
  transport: Transport
  schemes: Map<string, Scheme>
  userAgent: string
}

/** Makes the route to an endpoint. */
export function createRoute(context: RouteContext, endpoint: Endpoint): Route {
  const { transport, schemes, userAgent } = context
  const { reference, tls } = endpoint
  const host = findApiHost(reference.registry)
  const schemeKey = `${host} ${tls.insecure} ${tls.insecureSkipTLSVerify}`

  const exchangeBy = (scheme: Scheme, request: RoutedRequest, authorization?: string): Promise<Outcome> => {
    const base = new URL(`${scheme}://${host}`)
    const { target, method, body, signal } = request
    const url = typeof target === 'string' ? new URL(`/v2/${reference.repository}/${target}`, base) : target
    const isOwn = url.origin === base.origin
    return exchange(transport, {
      method,
      role: 'registry',
      url,
      headers: { 'user-agent': userAgent, ...request.headers },
      body,
      authorization: isOwn ? authorization : undefined,
      reach: isOwn ? 'direct' : reachFrom(transport.classOf(base)),
      tls,
      signal,
    })
  }

  return {
    host,
    // HTTPS comes first also where plain HTTP is allowed: what can be encrypted is.
    exchange: async (request, authorization) => {
      const settled = schemes.get(schemeKey)
      const outcome = await exchangeBy(settled ?? 'https', request, authorization)
      if (settled === undefined && tls.insecure && mayBePlain(outcome)) {
        const plain = await exchangeBy('http', request, authorization)
        // A server of HTTPS answers 400 to plain HTTP: that is no reason to stay with it.
        if (plain.type === 'response' && plain.response.status !== 400) schemes.set(schemeKey, 'http')
        return plain
      }
      if (outcome.type === 'response') schemes.set(schemeKey, settled ?? 'https')
      return outcome
    },
  }
}
