import { noSuchResource, notImitated } from '../status-error.ts'

/** What a request wants to do, in the words of authorization. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection'

/** A path below `/api` or `/apis` that names a resource. */
export interface Target {
  group: string
  version: string
  plural: string
  namespace?: string
  name?: string
  subresource?: string
}

const namespaceSubresources = ['status', 'finalize']

/** Reads a resource path; undefined for paths that name none (`/version`, `/apis/apps/v1`). */
export function parseTarget(path: string): Target | undefined {
  const place = readGroupVersion(path.split('/').filter((part) => part !== ''))
  if (!place || place.rest.length === 0) return undefined
  const { group, version, rest } = place
  if (rest[0] === 'watch') throw notImitated('the deprecated /watch/ paths')
  const { namespace, parts } = readNamespace(rest.map(decodePart))
  const [plural = '', name, subresource, more] = parts
  if (more !== undefined) throw notImitated(`the path ${path}`)
  return {
    group,
    version,
    plural,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
  }
}

/** `namespaces/x/pods/y` is pod y in namespace x; `namespaces/x` and `namespaces/x/status` are namespace x. */
function readNamespace(parts: string[]): { namespace?: string; parts: string[] } {
  const [first, namespace, plural] = parts
  if (first !== 'namespaces' || namespace === undefined || plural === undefined) return { parts }
  return namespaceSubresources.includes(plural) ? { parts } : { namespace, parts: parts.slice(2) }
}

function readGroupVersion(parts: string[]): { group: string; version: string; rest: string[] } | undefined {
  const [root, second = '', third = ''] = parts
  if (root === 'api' && parts.length > 1) return { group: '', version: second, rest: parts.slice(2) }
  if (root === 'apis' && parts.length > 2) return { group: second, version: third, rest: parts.slice(3) }
  return undefined
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw noSuchResource()
  }
}

/** True for the values that Go reads as a true boolean in a query. */
export function isTrue(value: string | null): boolean {
  return value === '' || value === '1' || value === 't' || value === 'T' || value?.toLowerCase() === 'true'
}

const writeVerbs: Readonly<Record<string, Verb>> = { POST: 'create', PUT: 'update', PATCH: 'patch' }

/** What a method on a target means; undefined for a method that Kubernetes does not know. */
export function verbOf(method: string, target: Target, query: URLSearchParams): Verb | undefined {
  const one = target.name !== undefined
  if (method === 'DELETE') return one ? 'delete' : 'deletecollection'
  if (method !== 'GET') return writeVerbs[method]
  if (query.has('watch') && isTrue(query.get('watch'))) return 'watch'
  return one ? 'get' : 'list'
}
