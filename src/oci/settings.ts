import { X509Certificate } from 'node:crypto'
import { parse } from 'yaml'
import { describeError, hasCode, KmmError } from '../errors/error.ts'
import { isNetwork } from './address.ts'
import { parseRegistryPath } from './reference.ts'
import { isRecord, quoteUntrusted } from './text.ts'

/** How one registry may be talked to: plain HTTP allowed, and certificates not verified. Neither implies the other. */
export interface RegistryTls {
  insecure: boolean
  insecureSkipTLSVerify: boolean
}

/** One place that serves copies: `location` (`host[:port][/path]`) stands where the mirror's prefix stood. */
export interface MirrorEndpoint {
  location: string
  /** Plain HTTP is allowed there. */
  insecure?: boolean
  /** Its certificate is not verified. */
  skipVerify?: boolean
}

/** Images whose name begins with `prefix` (`host[:port][/path]`, whole path components) are asked for at the endpoints first. */
export interface Mirror {
  prefix: string
  endpoints: MirrorEndpoint[]
}

/** Proxies by scheme of the request, and the hosts that are reached without: names, `.suffixes`, addresses, CIDRs, `*`. */
export interface ProxySettings {
  httpProxy?: string
  httpsProxy?: string
  noProxy?: string
}

/** How all registries are reached, from the operator's configuration. */
export interface RegistrySettings {
  mirrors?: Mirror[]
  /** Certificates in PEM that are trusted besides the system's. */
  caBundle?: string
  proxy?: ProxySettings
  /** Hosts, `.suffixes`, addresses and CIDRs inside that a registry may redirect to, although they are not public. */
  allowPrivateRedirects?: string[]
  /** Addresses and CIDRs of the cluster itself, such as the API server's, that a registry may not redirect to. */
  clusterAddresses?: string[]
}

const maximumLength = 1_048_576

function refuse(path: string, why: string): never {
  throw new KmmError(`registry settings: ${path === '' ? '' : `${path}: `}${why}`, {
    code: 'ConfigurationInvalid',
    fate: 'terminal',
  })
}

function readObject(value: unknown, path: string, keys: readonly string[]): Record<string, unknown> {
  if (!isRecord(value)) refuse(path, `must be an object with the keys ${keys.join(', ')}`)
  for (const key of Object.keys(value))
    if (!keys.includes(key)) refuse(path, `unknown key "${quoteUntrusted(key, 60)}"; the keys are ${keys.join(', ')}`)
  return value
}

function readList(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) refuse(path, 'must be a list')
  return value
}

function readString(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') refuse(path, 'must be a text that is not empty')
  return value
}

function readFlag(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') refuse(path, 'must be true or false')
  return value
}

function readRegistryPath(value: unknown, path: string): string {
  const text = readString(value, path)
  try {
    const parsed = parseRegistryPath(text)
    return parsed.path === '' ? parsed.registry : `${parsed.registry}/${parsed.path}`
  } catch (error) {
    if (!hasCode(error, 'ReferenceInvalid')) throw error
    return refuse(path, `must be host[:port][/path], such as mirror.example.com:5000/docker-hub; ${error.message}`)
  }
}

function readEndpoint(value: unknown, path: string): MirrorEndpoint {
  const object = readObject(value, path, ['location', 'insecure', 'skipVerify'])
  return {
    location: readRegistryPath(object['location'], `${path}.location`),
    ...(object['insecure'] === undefined ? {} : { insecure: readFlag(object['insecure'], `${path}.insecure`) }),
    ...(object['skipVerify'] === undefined ? {} : { skipVerify: readFlag(object['skipVerify'], `${path}.skipVerify`) }),
  }
}

function readMirror(value: unknown, path: string): Mirror {
  const object = readObject(value, path, ['prefix', 'endpoints'])
  const endpoints = readList(object['endpoints'], `${path}.endpoints`)
  return {
    prefix: readRegistryPath(object['prefix'], `${path}.prefix`),
    endpoints: endpoints.map((endpoint, index) => readEndpoint(endpoint, `${path}.endpoints[${index}]`)),
  }
}

function readProxyUrl(value: unknown, path: string): string {
  const text = readString(value, path)
  const url = URL.canParse(text) ? new URL(text) : undefined
  // The text itself stays out of the message: it may hold a password.
  if (!url || !/^https?:$/.test(url.protocol) || url.hostname === '')
    refuse(path, 'must be a URL of a proxy, such as http://proxy.example.com:3128')
  return text
}

function readProxy(value: unknown, path: string): ProxySettings {
  const object = readObject(value, path, ['httpProxy', 'httpsProxy', 'noProxy'])
  const { httpProxy = '', httpsProxy = '', noProxy = '' } = object
  return {
    ...(httpProxy === '' ? {} : { httpProxy: readProxyUrl(httpProxy, `${path}.httpProxy`) }),
    ...(httpsProxy === '' ? {} : { httpsProxy: readProxyUrl(httpsProxy, `${path}.httpsProxy`) }),
    ...(noProxy === '' ? {} : { noProxy: readString(noProxy, `${path}.noProxy`) }),
  }
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g

/** The single certificates of a PEM bundle; text between them is ignored. */
export function splitCertificates(pem: string): string[] {
  return pem.match(certificatePattern) ?? []
}

function readCaBundle(value: unknown, path: string): string {
  const text = readString(value, path)
  const certificates = splitCertificates(text)
  if (certificates.length === 0) refuse(path, 'holds no "-----BEGIN CERTIFICATE-----" block; give certificates in PEM')
  for (const [index, certificate] of certificates.entries())
    try {
      new X509Certificate(certificate)
    } catch (error) {
      refuse(path, `certificate ${index + 1} of ${certificates.length} cannot be read: ${describeError(error)}`)
    }
  return text
}

function readNetworks(value: unknown, path: string): string[] {
  return readList(value, path).map((entry, index) => {
    const text = readString(entry, `${path}[${index}]`)
    if (!isNetwork(text)) refuse(`${path}[${index}]`, 'must be an address or a network, such as 10.96.0.0/12')
    return text
  })
}

const hostOrSuffixPattern = /^(?:\*?\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/i

function readDestinations(value: unknown, path: string): string[] {
  return readList(value, path).map((entry, index) => {
    const text = readString(entry, `${path}[${index}]`)
    if (!isNetwork(text) && !hostOrSuffixPattern.test(text))
      refuse(`${path}[${index}]`, 'must be a host name, a suffix such as .svc.cluster.local, an address or a network')
    return text
  })
}

function parseYaml(text: string): unknown {
  if (text.length > maximumLength) refuse('', `the text is longer than ${maximumLength} characters`)
  try {
    return parse(text, { maxAliasCount: 0, logLevel: 'error', prettyErrors: false })
  } catch (error) {
    return refuse('', `not YAML: ${quoteUntrusted(describeError(error))}`)
  }
}

/**
 * Parses RegistrySettings from YAML (or JSON). Empty text means no settings. Unknown keys and wrong values throw
 * ConfigurationInvalid with the path of the field and what to write.
 */
export function parseRegistrySettings(yamlText: string): RegistrySettings {
  const document = parseYaml(yamlText)
  if (document === null || document === undefined) return {}
  const keys = ['mirrors', 'caBundle', 'proxy', 'allowPrivateRedirects', 'clusterAddresses']
  const { mirrors, caBundle, proxy, allowPrivateRedirects, clusterAddresses } = readObject(document, '', keys)
  const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== ''
  return {
    ...(isGiven(mirrors)
      ? { mirrors: readList(mirrors, 'mirrors').map((each, index) => readMirror(each, `mirrors[${index}]`)) }
      : {}),
    ...(isGiven(caBundle) ? { caBundle: readCaBundle(caBundle, 'caBundle') } : {}),
    ...(isGiven(proxy) ? { proxy: readProxy(proxy, 'proxy') } : {}),
    ...(isGiven(allowPrivateRedirects)
      ? { allowPrivateRedirects: readDestinations(allowPrivateRedirects, 'allowPrivateRedirects') }
      : {}),
    ...(isGiven(clusterAddresses) ? { clusterAddresses: readNetworks(clusterAddresses, 'clusterAddresses') } : {}),
  }
}
