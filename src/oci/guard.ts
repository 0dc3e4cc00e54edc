import { isIP, type LookupFunction } from 'node:net'
import { lookup as lookupName } from 'node:dns'
import {
  type AddressClass,
  createAddressClassifier,
  createNetworkMatcher,
  isNetwork,
  normalizeAddress,
} from './address.ts'
import type { RegistrySettings } from './settings.ts'

/**
 * Who asked for a connection: `direct` is the image's name or the operator's mirrors; `from-…` is a redirect or a token realm
 * that a registry at such an address named, and that is trusted no further than the address lies.
 */
export type Reach = 'direct' | 'from-public' | 'from-private' | 'from-loopback'

/** Says which destinations may be talked to. */
export interface DestinationGuard {
  /** Why the host of a URL is refused before any look-up; undefined when it is not. */
  findRefusal(url: URL, reach: Reach): string | undefined
  /** A `lookup` for net.connect that gives only permitted addresses, so that a name cannot be bent after the check. */
  createLookup(reach: Reach): LookupFunction
  classify(address: string): AddressClass
}

/** The code of the error with which a guarded look-up fails. */
export const refusedAddressCode = 'KMM_ADDRESS_REFUSED'

/** The reach of what a registry at such an address names. An unknown address, behind a proxy, is trusted least. */
export function reachFrom(origin: AddressClass | undefined): Reach {
  if (origin === 'loopback') return 'from-loopback'
  return origin === 'private' ? 'from-private' : 'from-public'
}

const permittedClasses: Readonly<Record<Reach, readonly AddressClass[]>> = {
  direct: ['public', 'private', 'loopback'],
  'from-public': ['public'],
  'from-private': ['public', 'private'],
  'from-loopback': ['public', 'private', 'loopback'],
}

function plainHost(hostname: string): string {
  return hostname.toLowerCase().replace(/\.+$/, '')
}

/** Names that Kubernetes gives to services: a label `svc`, or the usual cluster domain. */
function isServiceName(host: string): boolean {
  return host.split('.').includes('svc') || host.endsWith('.cluster.local')
}

function createNameMatcher(entries: readonly string[]): (host: string) => boolean {
  const names = entries.map((entry) => plainHost(entry).replace(/^\*/, ''))
  return (host) => names.some((name) => (name.startsWith('.') ? host.endsWith(name) : host === name))
}

const advice = 'if that is intended, add it to allowPrivateRedirects of the operator configuration'

/**
 * Makes the guard of all connections to registries. Link-local addresses (cloud metadata services) are refused always; for
 * redirects and token realms also the services and addresses of the cluster, and whatever lies nearer than the one who names it:
 * from a public host private and loopback addresses, from a private one loopback. `allowPrivateRedirects` permits by name or address.
 */
export function createDestinationGuard(
  settings: Pick<RegistrySettings, 'allowPrivateRedirects' | 'clusterAddresses'>,
  resolve: LookupFunction = lookupName,
): DestinationGuard {
  const classify = createAddressClassifier()
  const allowed = settings.allowPrivateRedirects ?? []
  const isAllowedName = createNameMatcher(allowed.filter((entry) => !isNetwork(entry)))
  const isAllowedAddress = createNetworkMatcher(allowed.filter(isNetwork))
  const isClusterAddress = createNetworkMatcher(settings.clusterAddresses ?? [])

  const findAddressRefusal = (address: string, reach: Reach): string | undefined => {
    if (isAllowedAddress(address)) return undefined
    const distance = classify(address)
    if (!permittedClasses[reach].includes(distance))
      return reach === 'direct'
        ? `${address} is a ${distance} address, where no registry can be`
        : `the registry leads to the ${distance} address ${address}; ${advice}`
    if (reach !== 'direct' && isClusterAddress(address))
      return `the registry leads to ${address}, an address of the cluster itself; ${advice}`
    return undefined
  }

  return {
    classify,
    findRefusal: (url, reach) => {
      const host = plainHost(url.hostname)
      if (isAllowedName(host)) return undefined
      const address = normalizeAddress(host)
      if (address !== undefined) return findAddressRefusal(address, reach)
      if (reach !== 'direct' && isServiceName(host))
        return `the registry leads to ${host}, a service of the cluster; ${advice}`
      return undefined
    },
    createLookup: (reach) => (hostname, options, callback) => {
      const refusalOf = (address: string): string | undefined =>
        isAllowedName(plainHost(hostname)) ? undefined : findAddressRefusal(address, reach)
      resolve(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, [])
        const addresses = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found
        const permitted = addresses.filter(({ address }) => refusalOf(address) === undefined)
        const [first] = permitted
        if (!first)
          return callback(
            createRefusal(
              hostname,
              addresses.map(({ address }) => refusalOf(address)),
            ),
            [],
          )
        return options.all ? callback(null, permitted) : callback(null, first.address, first.family)
      })
    },
  }
}

function createRefusal(hostname: string, refusals: readonly (string | undefined)[]): NodeJS.ErrnoException {
  const why = refusals.find((refusal) => refusal !== undefined) ?? 'the name has no address'
  return Object.assign(new Error(`${hostname}: ${why}`), { code: refusedAddressCode })
}
