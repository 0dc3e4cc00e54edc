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

/** Path of one object or its subresource. */
export function objectPath(resource: Resource, key: ObjectKey, subresource?: string): string {
  if (key.name === '' || (resource.namespaced && !key.namespace))
    throw new KmmError(
      `a request for ${resource.plural} needs a ${key.name === '' ? 'name' : 'namespace'}: this is a defect of KMM`,
      { code: 'Internal', fate: 'terminal' },
    )
  const suffix = subresource === undefined ? '' : `/${subresource}`
  return `${collectionPath(resource, key.namespace)}/${encodeURIComponent(key.name)}${suffix}`
}
