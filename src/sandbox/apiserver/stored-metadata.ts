import { apiVersionOf, type Resource } from '../../kube/resource.ts'
import { isHeld } from './deletion.ts'
import { deepFreeze, type ApiObject } from './object.ts'
import { conflict } from './status-error.ts'
import type { DeleteRequest, StoredResource } from './strategy.ts'

/** The frozen object with its version; kind and apiVersion come first, as the API server writes them. */
export function stamp(resource: StoredResource, object: ApiObject, resourceVersion: number): ApiObject {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object
  return deepFreeze({
    kind: resource.kind,
    apiVersion: apiVersionOf(resource),
    metadata: { ...metadata, resourceVersion: String(resourceVersion) },
    ...rest,
  })
}

const systemFields = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'resourceVersion',
] as const

/** Gives a new version of an object what only the server sets, as it is stored. */
export function keepSystemMetadata(object: ApiObject, old: ApiObject): void {
  const metadata: Record<string, unknown> = object.metadata
  for (const field of systemFields) {
    if (old.metadata[field] === undefined) delete metadata[field]
    else metadata[field] = old.metadata[field]
  }
}

/** Field management and links to itself are not imitated and not stored; empty collections are stored as absent. */
export function dropUnkeptMetadata(object: ApiObject): void {
  const metadata: Record<string, unknown> = object.metadata
  delete metadata['managedFields']
  delete metadata['selfLink']
  for (const field of ['labels', 'annotations', 'finalizers', 'ownerReferences']) {
    const value = metadata[field]
    if (value === null || (typeof value === 'object' && Object.keys(value).length === 0)) delete metadata[field]
  }
}

/** True when nothing keeps an object any more that is being deleted. */
export function endsDeletion(object: ApiObject, resource: StoredResource): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = object.metadata
  return deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0 && !isHeld(object, resource.strategy)
}

/** Refuses a delete that was meant for another object of that name, or for another version of it. */
export function checkPreconditions(
  resource: Pick<Resource, 'group' | 'kind'>,
  object: ApiObject,
  request: DeleteRequest,
): void {
  const { uid, resourceVersion } = request.preconditions ?? {}
  const { name } = object.metadata
  // The server names the kind where it names the resource elsewhere.
  const kind = { group: resource.group, plural: resource.kind }
  if (uid !== undefined && uid !== object.metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${object.metadata.uid}). The object might have been deleted and then recreated`
    throw conflict(kind, name, why)
  }
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${object.metadata.resourceVersion}). The object might have been modified`
    throw conflict(kind, name, why)
  }
}
