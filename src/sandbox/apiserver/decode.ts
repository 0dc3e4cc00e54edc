import { apiVersionOf } from '../../kube/resource.ts'
import { isRecord, type ApiObject } from './object.ts'
import type { ServedResource } from './registry.ts'
import { badRequest } from './status-error.ts'

/** Where in the URL an object is written. */
export interface WriteTarget {
  namespace?: string
  /** Absent on create. */
  name?: string
}

/**
 * A client's body as an object of the kind: right apiVersion and kind (built-in kinds may leave them out), metadata of
 * the right types, namespace as in the URL. The name is empty where the client gave none.
 */
export function decodeObject(resource: ServedResource, body: unknown, target: WriteTarget): ApiObject {
  if (!isRecord(body)) throw badRequest('the object provided is unrecognized (must be of type Object): it is no object')
  const { apiVersion, kind } = decodeType(resource, body)
  const metadata = decodeMetadata(resource, body['metadata'])
  setNamespace(metadata, resource, target)
  checkName(metadata, target)
  return { ...body, apiVersion, kind, metadata }
}

function decodeType(resource: ServedResource, body: Record<string, unknown>): { apiVersion: string; kind: string } {
  const wanted = apiVersionOf(resource)
  const kind = body['kind'] ?? (resource.custom ? undefined : resource.kind)
  const apiVersion = body['apiVersion'] ?? (resource.custom ? undefined : wanted)
  if (typeof kind !== 'string' || kind === '') {
    const text = JSON.stringify(body).slice(0, 200)
    throw badRequest(
      `the object provided is unrecognized (must be of type ${resource.kind}): Object 'Kind' is missing in '${text}' (${text})`,
    )
  }
  if (apiVersion !== wanted) {
    const given = String(apiVersion as string)
    throw badRequest(`the API version in the data (${given}) does not match the expected API version (${wanted})`)
  }
  if (kind !== resource.kind) {
    throw badRequest(
      `${kind} in version ${JSON.stringify(resource.version)} cannot be handled as a ${resource.kind}: ` +
        `the URL is the one of ${resource.plural}`,
    )
  }
  return { apiVersion, kind }
}

function decodeMetadata(resource: ServedResource, value: unknown): ApiObject['metadata'] {
  const given = value ?? {}
  if (!isRecord(given)) throw badRequest('metadata: must be an object')
  const metadata: ApiObject['metadata'] = { ...given, name: decodeText(given, 'name') ?? '' }
  for (const field of ['generateName', 'namespace', 'uid', 'resourceVersion']) decodeText(given, field)
  for (const field of ['labels', 'annotations'] as const) decodeMap(resource, metadata, field)
  for (const field of ['finalizers', 'ownerReferences'] as const) decodeList(metadata, field)
  return metadata
}

function decodeText(metadata: Record<string, unknown>, field: string): string | undefined {
  const value = metadata[field]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw badRequest(`metadata.${field}: must be a string, not ${JSON.stringify(value)}`)
  return value
}

const cannotHandle = ({ kind, version }: ServedResource): string =>
  `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: `

function decodeMap(resource: ServedResource, metadata: ApiObject['metadata'], field: 'labels' | 'annotations'): void {
  const map: unknown = metadata[field]
  if (map === undefined || map === null) {
    delete metadata[field]
    return
  }
  if (!isRecord(map)) throw badRequest(`metadata.${field}: must be a map of strings`)
  const entries = Object.entries(map).map(([key, value]): [string, string] => {
    if (value !== null && typeof value !== 'string') {
      throw badRequest(
        `${cannotHandle(resource)}json: cannot unmarshal ${typeof value} into Go struct field ObjectMeta.${resource.custom ? '' : 'metadata.'}${field} of type string`,
      )
    }
    return [key, value ?? '']
  })
  metadata[field] = Object.fromEntries(entries)
}

function decodeList(metadata: ApiObject['metadata'], field: 'finalizers' | 'ownerReferences'): void {
  const list: unknown = metadata[field]
  if (list === undefined || list === null) {
    delete metadata[field]
    return
  }
  const fits = (item: unknown): boolean => (field === 'finalizers' ? typeof item === 'string' : isRecord(item))
  if (!Array.isArray(list) || !list.every(fits)) {
    throw badRequest(`metadata.${field}: must be a list of ${field === 'finalizers' ? 'strings' : 'objects'}`)
  }
}

function setNamespace(metadata: ApiObject['metadata'], resource: ServedResource, target: WriteTarget): void {
  const given = metadata.namespace ?? ''
  if (!resource.namespaced) {
    delete metadata.namespace
    if (given !== '') throw badRequest('namespace may not be set on a cluster-scoped object')
    return
  }
  if (given !== '' && given !== target.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
  if (target.namespace !== undefined) metadata.namespace = target.namespace
}

function checkName(metadata: ApiObject['metadata'], target: WriteTarget): void {
  if (target.name === undefined) return
  if (metadata.name === '') metadata.name = target.name
  if (metadata.name !== target.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${target.name})`)
  }
}
