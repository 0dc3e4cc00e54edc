import { BlockList, isIP } from 'node:net'
import { kubeconfigInvalid } from './kubeconfig-file.ts'

type Variables = Readonly<Record<string, string | undefined>>

const pick = (variables: Variables, name: string): string =>
  (variables[name] ?? '') || (variables[name.toLowerCase()] ?? '')

/** An address without the brackets that URLs put around IPv6. */
const bareHost = (url: URL): string =>
  url.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')

function isInNetwork(network: string, host: string): boolean {
  const [, address = '', prefix = ''] = /^(.+)\/(\d{1,3})$/.exec(network) ?? []
  const longest = isIP(address) === 6 ? 128 : 32
  if (isIP(address) === 0 || isIP(host) === 0 || Number(prefix) > longest) return false
  const list = new BlockList()
  list.addSubnet(address, Number(prefix), familyOf(address))
  return list.check(host, familyOf(host))
}

/** One entry of NO_PROXY: a name and its subdomains, `.suffix`, an address, a network, perhaps with a port, or `*`. */
function excludes(entry: string, host: string, port: string): boolean {
  if (entry === '*' || isInNetwork(entry, host)) return true
  const [, name = '', wantedPort] = (isIP(entry) === 6 ? undefined : /^(.*?)(?::(\d+))?$/.exec(entry)) ?? ['', entry]
  if (wantedPort !== undefined && wantedPort !== port) return false
  const bare = name.replace(/^\*?\./, '').replace(/^\[(.*)\]$/, '$1')
  return host.endsWith(`.${bare}`) || (host === bare && name === name.replace(/^\*?\./, ''))
}

function isThisHost(host: string): boolean {
  if (host === 'localhost') return true
  return isIP(host) !== 0 && (isInNetwork('127.0.0.0/8', host) || host === '::1')
}

/**
 * The proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY name for a server, as kubectl reads them: never for this host.
 * Undefined for none. Throws `ConfigurationInvalid` for one that cannot be used.
 */
export function findEnvironmentProxy(server: string, variables: Variables): string | undefined {
  const url = new URL(server)
  const isSecure = url.protocol === 'https:'
  const variable = isSecure ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const text = pick(variables, variable)
  const host = bareHost(url)
  const port = url.port || (isSecure ? '443' : '80')
  const entries = pick(variables, 'NO_PROXY')
    .toLowerCase()
    .split(/[,\s]+/)
  if (text === '' || isThisHost(host) || entries.some((entry) => entry !== '' && excludes(entry, host, port)))
    return undefined
  const full = text.includes('://') ? text : `http://${text}`
  if (URL.canParse(full) && /^https?:/.test(full)) return full
  throw kubeconfigInvalid(
    `${variable} must name an http or https proxy, such as http://proxy:3128; name the API server's host in NO_PROXY to go without one`,
  )
}
