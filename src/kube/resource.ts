import type { KubeObject } from './object.ts'

/** A kind of object and where the API serves it. `T` is the shape of its objects and exists for the compiler only. */
export interface Resource<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  group: string
  version: string
  kind: string
  plural: string
  namespaced: boolean
  readonly __shape?: T
}

/** Declares a resource with the shape of its objects. */
export function defineResource<T extends KubeObject>(resource: Omit<Resource<T>, '__shape'>): Resource<T> {
  return resource
}

/** `apiVersion` as objects carry it: `v1`, or `group/version`. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`
}
