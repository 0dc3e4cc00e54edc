import { KmmError } from '../errors/error.ts'
import { isDigest } from './digest.ts'
import { quoteUntrusted } from './text.ts'

/**
 * Names an image in a registry. `registry` is `host[:port]` (`docker.io` for Docker Hub), `repository` the path below it.
 * Either `tag` or `digest` is present; when both are, the digest decides what is pulled.
 */
export interface Reference {
  registry: string
  repository: string
  tag?: string
  digest?: string
}

/** The name under which Docker Hub's images are written. */
export const dockerHub = 'docker.io'

const maximumLength = 1024
const maximumRepositoryLength = 255
const hostPattern = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*$/
const ipv6Pattern = /^\[[0-9a-fA-F:.]+\]$/
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/

function refuse(text: string, why: string): never {
  throw new KmmError(`"${quoteUntrusted(text)}" is not an image name: ${why}`, {
    code: 'ReferenceInvalid',
    fate: 'terminal',
  })
}

function isRegistryComponent(component: string): boolean {
  return /[.:[]/.test(component) || component === 'localhost'
}

function isHost(host: string): boolean {
  return host.length <= 255 && (hostPattern.test(host) || ipv6Pattern.test(host))
}

function checkRegistry(text: string, registry: string): string {
  const [, host = registry, port] = /^(.*?)(?::([^:\]]*))?$/.exec(registry) ?? []
  if (!isHost(host))
    refuse(text, `"${quoteUntrusted(host)}" is not a host name; write registry.example.com/path/name:tag`)
  if (port !== undefined && (!/^[0-9]{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535))
    refuse(text, `the port "${quoteUntrusted(port)}" must be a number from 1 to 65535`)
  const plain = registry.toLowerCase()
  return plain === 'index.docker.io' || plain === 'registry-1.docker.io' ? dockerHub : plain
}

function checkRepository(text: string, repository: string): void {
  if (repository === '')
    refuse(text, 'the path after the registry is missing; write registry.example.com/path/name:tag')
  if (repository.length > maximumRepositoryLength)
    refuse(text, `the path is longer than ${maximumRepositoryLength} characters`)
  if (repository !== repository.toLowerCase())
    refuse(text, `the path must be lower-case; write "${quoteUntrusted(repository.toLowerCase())}"`)
  const wrong = repository.split('/').find((component) => !componentPattern.test(component))
  if (wrong !== undefined)
    refuse(
      text,
      `the part "${quoteUntrusted(wrong)}" of the path must be letters and digits, joined by one ".", one or two "_", or "-"`,
    )
}

function checkCommonMistakes(text: string): void {
  if (text.length === 0) refuse(text, 'it is empty; write registry.example.com/path/name:tag')
  if (text.length > maximumLength) refuse(text, `it is longer than ${maximumLength} characters`)
  if (/^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(text)) refuse(text, 'leave out the scheme, such as "https://"')
  if (text.includes('$')) refuse(text, 'it holds a variable that was not substituted')
  if (/\s/.test(text)) refuse(text, 'it holds white space')
}

function splitTag(text: string, name: string): { name: string; tag?: string } {
  const at = name.indexOf(':', name.lastIndexOf('/') + 1)
  if (at < 0 || name.startsWith('[', name.lastIndexOf('/') + 1)) return { name }
  const tag = name.slice(at + 1)
  if (!tagPattern.test(tag))
    refuse(
      text,
      `the tag "${quoteUntrusted(tag)}" must be 1 to 128 letters, digits, "_", "." or "-", and not begin with "." or "-"`,
    )
  return { name: name.slice(0, at), tag }
}

function splitDigest(text: string): { name: string; digest?: string } {
  const at = text.indexOf('@')
  if (at < 0) return { name: text }
  const digest = text.slice(at + 1)
  if (!isDigest(digest))
    refuse(text, 'after "@" stands sha256: and 64, or sha512: and 128, lower-case hexadecimal digits')
  return { name: text.slice(0, at), digest }
}

/**
 * Parses an image name as Docker and Kubernetes do: `name` means `docker.io/library/name:latest`, `a/b` means `docker.io/a/b`,
 * and a first part with a dot or a colon, or `localhost`, is a registry. Throws ReferenceInvalid, saying what to write.
 */
export function parseReference(text: string): Reference {
  checkCommonMistakes(text)
  const { name: nameAndTag, digest } = splitDigest(text)
  const { name, tag } = splitTag(text, nameAndTag)
  const slash = name.indexOf('/')
  const first = name.slice(0, Math.max(slash, 0))
  const hasRegistry = slash >= 0 && isRegistryComponent(first)
  const registry = hasRegistry ? checkRegistry(text, first) : dockerHub
  const path = hasRegistry ? name.slice(slash + 1) : name
  checkRepository(text, path)
  const repository = registry === dockerHub && !path.includes('/') ? `library/${path}` : path
  if (digest === undefined) return { registry, repository, tag: tag ?? 'latest' }
  return { registry, repository, ...(tag === undefined ? {} : { tag }), digest }
}

/** Parses `host[:port][/path]`, the form of mirror prefixes and locations. Throws ReferenceInvalid. */
export function parseRegistryPath(text: string): { registry: string; path: string } {
  checkCommonMistakes(text)
  const [first = '', ...rest] = text.split('/')
  const path = rest.join('/')
  if (rest.length > 0) checkRepository(text, path)
  return { registry: checkRegistry(text, first), path }
}

/** Writes a reference in full, `registry/repository[:tag][@digest]`; parsing it gives the same reference. */
export function formatReference(reference: Reference): string {
  const tag = reference.tag === undefined ? '' : `:${reference.tag}`
  const digest = reference.digest === undefined ? '' : `@${reference.digest}`
  return `${reference.registry}/${reference.repository}${tag}${digest}`
}

/** What stands after `/manifests/`: the digest where there is one, else the tag. */
export function getManifestName(reference: Reference): string {
  return reference.digest ?? reference.tag ?? 'latest'
}
