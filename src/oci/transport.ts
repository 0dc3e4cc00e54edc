import type { LookupFunction } from 'node:net'
import { Agent, buildConnector, type Dispatcher, ProxyAgent } from 'undici'
import type { AddressClass } from './address.ts'
import { createDestinationGuard, type Reach } from './guard.ts'
import { createProxySelector } from './proxy.ts'
import type { RegistrySettings } from './settings.ts'
import { createTrust } from './trust.ts'

/** Time limits in milliseconds: for connecting, for the head of an answer, between two pieces of a body, for a small body. */
export interface TimeLimits {
  connectMs: number
  headersMs: number
  stallMs: number
  documentMs: number
}

/** The limits where nothing else is said. */
export const defaultTimeLimits: TimeLimits = {
  connectMs: 10_000,
  headersMs: 30_000,
  stallMs: 30_000,
  documentMs: 60_000,
}

/** Keeps the connections of one registry client, by who asked for them and how certificates are treated. */
export interface Transport {
  readonly limits: TimeLimits
  /** Why a URL may not be asked; undefined when it may. */
  findRefusal(url: URL, reach: Reach): string | undefined
  dispatcherFor(url: URL, reach: Reach, skipVerify: boolean): Dispatcher
  /** How far the host of an origin lay when last connected to; undefined behind a proxy. */
  classOf(url: URL): AddressClass | undefined
  close(): Promise<void>
}

/** What a transport is made of; `lookup` replaces DNS in tests. */
export interface TransportOptions {
  settings: RegistrySettings
  limits?: Partial<TimeLimits>
  lookup?: LookupFunction
}

const connectionsPerOrigin = 16

/** Opens connections through the guard: every address is checked at the moment of connecting. */
export function createTransport(options: TransportOptions): Transport {
  const { settings } = options
  const limits = { ...defaultTimeLimits, ...options.limits }
  const guard = createDestinationGuard(settings, options.lookup)
  const secureContext = createTrust(settings.caBundle)
  const selectProxy = createProxySelector(settings.proxy ?? {})
  const dispatchers = new Map<string, Dispatcher>()
  const classes = new Map<string, AddressClass>()

  const tlsOptions = (skipVerify: boolean): buildConnector.BuildOptions => ({
    rejectUnauthorized: !skipVerify,
    timeout: limits.connectMs,
    ...(secureContext ? { secureContext } : {}),
  })

  const createAgent = (reach: Reach, skipVerify: boolean): Dispatcher => {
    const connect = buildConnector({ ...tlsOptions(skipVerify), lookup: guard.createLookup(reach) })
    return new Agent({
      connections: connectionsPerOrigin,
      connect: (target, callback) =>
        connect(target, (...[error, socket]) => {
          if (error) return callback(error, null)
          const origin = new URL(`${target.protocol}//${target.host ?? target.hostname}`).origin
          if (socket.remoteAddress !== undefined) classes.set(origin, guard.classify(socket.remoteAddress))
          return callback(null, socket)
        }),
    })
  }

  const createProxyAgent = (uri: string, skipVerify: boolean): Dispatcher =>
    new ProxyAgent({
      uri,
      connections: connectionsPerOrigin,
      proxyTunnel: false,
      requestTls: tlsOptions(skipVerify),
      proxyTls: tlsOptions(false),
    })

  return {
    limits,
    findRefusal: (url, reach) => guard.findRefusal(url, reach),
    dispatcherFor: (url, reach, skipVerify) => {
      const proxy = selectProxy(url)
      const key = `${proxy ?? reach} ${skipVerify}`
      const known = dispatchers.get(key)
      if (known) return known
      const created = proxy === undefined ? createAgent(reach, skipVerify) : createProxyAgent(proxy, skipVerify)
      dispatchers.set(key, created)
      return created
    },
    classOf: (url) => (selectProxy(url) === undefined ? classes.get(url.origin) : undefined),
    close: async () => {
      await Promise.all([...dispatchers.values()].map((dispatcher) => dispatcher.destroy()))
    },
  }
}
