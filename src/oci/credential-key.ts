import { dockerHub, type Reference } from './reference.ts'

/** Where a credential of a pull secret is valid: a host, whose labels may hold globs, with its port and path. */
export interface CredentialKey {
  host: string
  port: string
  path: string
}

const hubHosts = ['docker.io', 'index.docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']

/**
 * Parses the key of a docker configuration's entry: `host[:port][/path]`, with or without a scheme; the legacy ending `/v1/`
 * or `/v2/` and all names of Docker Hub mean what they mean to the kubelet. Undefined when no host is there.
 */
export function parseCredentialKey(text: string): CredentialKey | undefined {
  const [, authority = '', tail = ''] = /^(?:https?:\/\/)?([^/]*)(\/.*)?$/i.exec(text) ?? []
  const [, host = '', port = ''] = /^(.*?)(?::([0-9]+))?$/.exec(authority.toLowerCase()) ?? []
  if (host === '' || /[\s@?#]/.test(authority)) return undefined
  const path = tail
    .replace(/^\/v[12](?=\/|$)/, '')
    .replace(/^\/+/, '')
    .replace(/\/+$/, '')
  return { host: hubHosts.includes(host) ? dockerHub : host, port, path }
}

/** Matches one label against a glob of `*` (any text) and `?` (one character), in time linear in their product. */
function matchesLabel(label: string, glob: string): boolean {
  let [at, globAt, star, retry] = [0, 0, -1, 0]
  while (at < label.length) {
    const wanted = glob[globAt]
    if (wanted === '*') {
      star = globAt
      globAt += 1
      retry = at
    } else if (wanted === '?' || wanted === label[at]) {
      at += 1
      globAt += 1
    } else if (star >= 0) {
      retry += 1
      at = retry
      globAt = star + 1
    } else return false
  }
  return /^\**$/.test(glob.slice(globAt))
}

function matchesHost(host: string, glob: string): boolean {
  if (host === glob) return true
  const [labels, globs] = [host.split('.'), glob.split('.')]
  return labels.length === globs.length && labels.every((label, index) => matchesLabel(label, globs[index] ?? ''))
}

/** True when the key covers the image: host label by label, the same port, and the path by whole components. */
export function matchesReference(key: CredentialKey, reference: Pick<Reference, 'registry' | 'repository'>): boolean {
  const [, host = '', port = ''] = /^(.*?)(?::([0-9]+))?$/.exec(reference.registry) ?? []
  if (port !== key.port || !matchesHost(host, key.host)) return false
  return key.path === '' || reference.repository === key.path || reference.repository.startsWith(`${key.path}/`)
}

/** Orders keys from the most to the least specific: longer path first, then hosts without globs, then longer hosts. */
export function compareSpecificity(a: CredentialKey, b: CredentialKey): number {
  const hasGlob = (key: CredentialKey): number => (/[*?]/.test(key.host) ? 1 : 0)
  return b.path.length - a.path.length || hasGlob(a) - hasGlob(b) || b.host.length - a.host.length
}
