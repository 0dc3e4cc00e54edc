import type { KubeObject, ObjectMeta } from '../../kube/object.ts'
import type { Resource } from '../../kube/resource.ts'

/** Metadata of a stored object. */
export type ApiMeta = ObjectMeta & { name: string; [field: string]: unknown }

/** An object as the sandbox stores it: any JSON object with a name. Stored objects are deeply frozen. */
export interface ApiObject extends KubeObject {
  apiVersion: string
  kind: string
  metadata: ApiMeta
  [field: string]: unknown
}

/** The group and plural name of a kind: what identifies its storage, whatever the version. */
export type GroupResource = Pick<Resource, 'group' | 'plural'>

/** `pods`, or `modules.kmm.sigs.x-k8s.io`: how the API server names a resource in its messages. */
export function formatGroupResource(resource: GroupResource): string {
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`
}

/** `Pod`, or `Module.kmm.sigs.x-k8s.io`: how the API server names a kind in its messages. */
export function formatGroupKind(resource: Pick<Resource, 'group' | 'kind'>): string {
  return resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`
}

/** True for a JSON object, not for a list or null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Copies a JSON tree; members that are undefined are left out. */
export function cloneJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(cloneJson) as T
  const copy: Record<string, unknown> = {}
  for (const [key, child] of Object.entries(value)) if (child !== undefined) copy[key] = cloneJson<unknown>(child)
  return copy as T
}

/** Freezes a JSON tree; what is frozen already is taken to be frozen all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const child of Object.values(value)) deepFreeze(child)
  return Object.freeze(value)
}

/** True when two JSON trees are the same; the order of keys does not matter, an undefined member counts as absent. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => sameJson(item, b[index]))
  }
  return isRecord(a) && isRecord(b) && sameMembers(a, b)
}

function sameMembers(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  for (const key in a) if (a[key] !== undefined && !sameJson(a[key], b[key])) return false
  for (const key in b) if (b[key] !== undefined && a[key] === undefined) return false
  return true
}
