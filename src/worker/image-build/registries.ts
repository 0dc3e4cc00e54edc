import { hasCode } from '../../errors/error.ts'
import { dockerHub, parseRegistryPath, type Reference } from '../../oci/reference.ts'
import type { RegistrySettings, RegistryTls } from '../../oci/settings.ts'
import type { SchemeFinder } from './scheme.ts'

/** One place that the builder asks for images. */
interface Place {
  /** `host[:port][/path]`. */
  location: string
  insecure: boolean
}

/** What the builder does with the images of a place. */
interface Entry extends Place {
  mirrors: Place[]
}

/**
 * The text of the registries.conf for pulling base images: mirrors as the operator's settings have them, each registry and
 * mirror insecure only where that is allowed.
 */
export async function formatPullRegistries(
  images: readonly Reference[],
  tls: RegistryTls,
  { mirrors = [] }: RegistrySettings,
  schemes: SchemeFinder,
): Promise<string> {
  const insecureHosts = new Set<string>()
  for (const host of new Set(images.map(({ registry }) => registry)))
    if (await mayBeInsecure(host, tls, schemes)) insecureHosts.add(host)
  const entries: Entry[] = []
  for (const { prefix, endpoints } of mirrors) {
    const places: Place[] = []
    for (const { location, insecure = false, skipVerify = false } of endpoints) {
      const { registry } = parseRegistryPath(location)
      const allowed = { insecure, insecureSkipTLSVerify: skipVerify }
      places.push({ location, insecure: await mayBeInsecure(registry, allowed, schemes) })
    }
    entries.push({ location: prefix, insecure: insecureHosts.has(parseRegistryPath(prefix).registry), mirrors: places })
  }
  const named = new Set(entries.map(({ location }) => location))
  for (const host of insecureHosts) if (!named.has(host)) entries.push({ location: host, insecure: true, mirrors: [] })
  return formatRegistries(entries)
}

/**
 * The text of the registries.conf for the push, which goes to the registry itself. Throws RegistryUnreachable where it speaks
 * plain HTTP against the rules, before anything is built in vain.
 */
export async function formatPushRegistries(
  target: Reference,
  tls: RegistryTls,
  schemes: SchemeFinder,
): Promise<string> {
  const insecure = await schemes.needsInsecure(target.registry, tls)
  return formatRegistries(insecure ? [{ location: target.registry, insecure, mirrors: [] }] : [])
}

/** Of a place that cannot be asked nothing is allowed: the builder will say so, if it needs anything from there. */
async function mayBeInsecure(host: string, tls: RegistryTls, schemes: SchemeFinder): Promise<boolean> {
  try {
    return await schemes.needsInsecure(host, tls)
  } catch (error) {
    if (hasCode(error, 'RegistryUnreachable')) return false
    throw error
  }
}

/** Names that were parsed hold nothing that TOML would read otherwise than JSON. */
function formatRegistries(entries: readonly Entry[]): string {
  const place = ({ location, insecure }: Place): string =>
    `location = ${JSON.stringify(location)}\ninsecure = ${insecure}\n`
  const tables = entries.map((entry) => {
    const mirrors = entry.mirrors.map((mirror) => `[[registry.mirror]]\n${place(mirror)}`)
    return `[[registry]]\nprefix = ${JSON.stringify(entry.location)}\n${place(entry)}${mirrors.join('')}`
  })
  return [`unqualified-search-registries = ["${dockerHub}"]\nshort-name-mode = "disabled"\n`, ...tables].join('\n')
}
