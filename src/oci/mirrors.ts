import { parseRegistryPath, type Reference } from './reference.ts'
import type { Mirror, MirrorEndpoint, RegistrySettings, RegistryTls } from './settings.ts'

/** One place to ask for an image: a mirror, or, last, the registry that the image's name says. */
export interface Endpoint {
  /** The image as it is named there. */
  reference: Reference
  tls: RegistryTls
  isMirror: boolean
}

function matchesPrefix(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(`${prefix}/`)
}

function toEndpoint(reference: Reference, rest: string, endpoint: MirrorEndpoint): Endpoint {
  const { registry, path } = parseRegistryPath(endpoint.location)
  const repository = [path, rest].filter((part) => part !== '').join('/')
  const tls = { insecure: endpoint.insecure ?? false, insecureSkipTLSVerify: endpoint.skipVerify ?? false }
  return { reference: { ...reference, registry, repository }, tls, isMirror: true }
}

/** The mirror whose prefix is the longest that fits. */
function findMirror(name: string, mirrors: readonly Mirror[]): Mirror | undefined {
  const fitting = mirrors.filter((mirror) => matchesPrefix(name, mirror.prefix))
  return fitting.toSorted((a, b) => b.prefix.length - a.prefix.length)[0]
}

/**
 * Where to ask for an image, in order: the endpoints of the mirror with the longest fitting prefix, then the registry itself.
 * `tls` is that of the image's own registry; a mirror has its own.
 */
export function listEndpoints(reference: Reference, settings: RegistrySettings, tls: RegistryTls): Endpoint[] {
  const name = `${reference.registry}/${reference.repository}`
  const mirror = findMirror(name, settings.mirrors ?? [])
  const rest = mirror ? name.slice(mirror.prefix.length).replace(/^\//, '') : ''
  const mirrored = mirror?.endpoints.map((endpoint) => toEndpoint(reference, rest, endpoint)) ?? []
  // A mirror that names the whole repository by its own host alone has no path left to ask for.
  return [...mirrored.filter((each) => each.reference.repository !== ''), { reference, tls, isMirror: false }]
}
