import { collectionPath, objectPath, type Query, requireKey } from './api-path.ts'
import type { DeleteOptions, ListOptions, Patch, WatchOptions, WriteOptions } from './client.ts'
import { formatKey, keyOf, type KubeObject, type ObjectKey } from './object.ts'
import type { Resource } from './resource.ts'
import type { RequestSubject } from './api-error.ts'
import type { ApiRequest } from './transport.ts'

const patchContentTypes: Readonly<Record<Patch['type'], string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}

function subjectOf(verb: string, resource: Resource, object: string, subresource?: string): RequestSubject {
  return { verb, resource: resource.plural + (subresource === undefined ? '' : `/${subresource}`), object }
}

function keyOfObject(object: KubeObject): ObjectKey {
  const { namespace, name = '' } = object.metadata ?? {}
  return { name, ...(namespace === undefined ? {} : { namespace }) }
}

function selectionOf({ labelSelector, fieldSelector, resourceVersion }: ListOptions | WatchOptions): Query {
  return { labelSelector, fieldSelector, resourceVersion }
}

export function buildGetRequest(resource: Resource, key: ObjectKey, signal?: AbortSignal): ApiRequest {
  const subject = subjectOf('get', resource, formatKey(key))
  return { method: 'GET', path: objectPath(resource, key), subject, signal }
}

export function buildListRequest(resource: Resource, options: ListOptions): ApiRequest {
  const { namespace, limit, continueToken, signal } = options
  return {
    method: 'GET',
    path: collectionPath(resource, namespace, { limit, continue: continueToken, ...selectionOf(options) }),
    subject: subjectOf('list', resource, namespace ?? ''),
    signal,
  }
}

export function buildWatchRequest(resource: Resource, options: WatchOptions): ApiRequest {
  const { namespace, timeoutSeconds, signal } = options
  const query = { watch: true, allowWatchBookmarks: true, timeoutSeconds, ...selectionOf(options) }
  return {
    method: 'GET',
    path: collectionPath(resource, namespace, query),
    subject: subjectOf('watch', resource, namespace ?? ''),
    signal,
    endless: true,
  }
}

export function buildCreateRequest(resource: Resource, object: KubeObject, { signal }: WriteOptions): ApiRequest {
  const key = keyOfObject(object)
  requireKey(resource, key.name === '' ? { ...key, name: object.metadata?.generateName ?? '' } : key)
  const subject = subjectOf('create', resource, keyOf(object))
  return { method: 'POST', path: collectionPath(resource, object.metadata?.namespace), subject, body: object, signal }
}

export function buildReplaceRequest(resource: Resource, object: KubeObject, options: WriteOptions): ApiRequest {
  const { subresource, signal } = options
  const subject = subjectOf('replace', resource, keyOf(object), subresource)
  return { method: 'PUT', path: objectPath(resource, keyOfObject(object), subresource), subject, body: object, signal }
}

export function buildPatchRequest(
  resource: Resource,
  key: ObjectKey,
  { type, body }: Patch,
  { subresource, signal }: WriteOptions,
): ApiRequest {
  const subject = subjectOf('patch', resource, formatKey(key), subresource)
  const contentType = patchContentTypes[type]
  return { method: 'PATCH', path: objectPath(resource, key, subresource), subject, body, contentType, signal }
}

export function buildDeleteRequest(resource: Resource, key: ObjectKey, options: DeleteOptions): ApiRequest {
  const { preconditions, propagationPolicy, gracePeriodSeconds, signal } = options
  const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions, propagationPolicy, gracePeriodSeconds }
  const subject = subjectOf('delete', resource, formatKey(key))
  return { method: 'DELETE', path: objectPath(resource, key), subject, body, signal }
}

export function buildRawRequest(path: string, signal?: AbortSignal, accept = '*/*'): ApiRequest {
  return { method: 'GET', path, subject: { verb: 'get', resource: path, object: '' }, accept, signal }
}
