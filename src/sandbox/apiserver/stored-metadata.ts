import { apiVersionOf } from '../../kube/resource.ts'
import { isHeld } from './deletion.ts'
import { deepFreeze, type ApiObject, type GroupResource } from './object.ts'
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
export function checkPreconditions(resource: GroupResource, object: ApiObject, request: DeleteRequest): void {
  const { uid, resourceVersion } = request.preconditions ?? {}
  const name = object.metadata.name
  if (uid !== undefined && uid !== object.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${object.metadata.uid}`
    throw conflict(resource, name, why)
  }
  if (resourceVersion !== undefined && resourceVersion !== object.metadata.resourceVersion) {
    const have = object.metadata.resourceVersion
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${have}`
    throw conflict(resource, name, why)
  }
}
