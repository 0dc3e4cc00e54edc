import { KmmError } from '../errors/error.ts'
import type { ObjectKey } from './object.ts'
import type { Resource } from './resource.ts'

/** Query parameters; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>

function groupPath({ group, version }: Resource): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`
}

function formatQuery(query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`],
  )
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`
}

/** Path of a list, watch or create; all namespaces when none is given. */
export function collectionPath(resource: Resource, namespace: string | undefined, query: Query = {}): string {
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${groupPath(resource)}${scope}/${resource.plural}${formatQuery(query)}`
}

/** Throws when a namespaced object does not say where it is: the request would mean something else. */
export function requireKey(resource: Resource, { namespace, name }: ObjectKey): void {
  if (name !== '' && (!resource.namespaced || namespace)) return
  throw new KmmError(
    `a request for ${resource.plural} needs a ${name === '' ? 'name' : 'namespace'}: this is a defect of KMM`,
    { code: 'Internal', fate: 'terminal' },
  )
}

/** Path of one object or its subresource. */
export function objectPath(resource: Resource, key: ObjectKey, subresource?: string): string {
  requireKey(resource, key)
  const suffix = subresource === undefined ? '' : `/${subresource}`
  return `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}${suffix}`
}
