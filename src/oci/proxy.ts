import { createNetworkMatcher, isNetwork, normalizeAddress } from './address.ts'
import type { ProxySettings } from './settings.ts'

/** One entry of noProxy: a name or suffix, an address or network, perhaps with a port. */
function createExclusion(text: string): (host: string, port: string) => boolean {
  if (text === '*') return () => true
  if (isNetwork(text)) return createNetworkMatcher([text])
  const [, name = '', wantedPort] = /^(.*?)(?::([0-9]+))?$/.exec(text.toLowerCase()) ?? []
  const bare = name.replace(/^\*/, '').replace(/^\./, '')
  const isSuffixOnly = name.startsWith('.') || name.startsWith('*.')
  return (host, port) => {
    if (wantedPort !== undefined && wantedPort !== port) return false
    return host.endsWith(`.${bare}`) || (!isSuffixOnly && host === bare)
  }
}

function isThisHost(host: string): boolean {
  const address = normalizeAddress(host)
  return host === 'localhost' || address === '::1' || (address?.startsWith('127.') ?? false)
}

/**
 * Chooses the proxy for a URL, as Go programs do with HTTP_PROXY, HTTPS_PROXY and NO_PROXY: by scheme, never for localhost, not for
 * hosts that noProxy names (exact name and subdomains, `.suffix`, address, CIDR, `host:port`, `*`). Undefined means none.
 */
export function createProxySelector(settings: ProxySettings): (url: URL) => string | undefined {
  const exclusions = (settings.noProxy ?? '')
    .split(/[,\s]+/)
    .filter((text) => text !== '')
    .map(createExclusion)
  return (url) => {
    const proxy = url.protocol === 'https:' ? settings.httpsProxy : settings.httpProxy
    const host = url.hostname.toLowerCase().replace(/\.$/, '')
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    if (isThisHost(host) || exclusions.some((excludes) => excludes(host, port))) return undefined
    return proxy
  }
}
