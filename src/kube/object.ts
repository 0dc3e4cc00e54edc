/** Object metadata as the API server sends it; times are RFC 3339 strings. */
export interface ObjectMeta {
  name?: string
  generateName?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** Anything that the Kubernetes API stores. */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata?: ObjectMeta
}

/** Names one object of a kind; `namespace` is absent for cluster-scoped kinds. */
export interface ObjectKey {
  namespace?: string
  name: string
}

/** `namespace/name`, or `name` for a cluster-scoped object: the key of caches and queues. */
export function formatKey(key: ObjectKey): string {
  return key.namespace === undefined || key.namespace === '' ? key.name : `${key.namespace}/${key.name}`
}

/** The opposite of formatKey. */
export function parseKey(text: string): ObjectKey {
  const slash = text.indexOf('/')
  return slash < 0 ? { name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) }
}

/** The key of an object; empty strings where the object has no name yet. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {}
  return formatKey({ ...(namespace === undefined ? {} : { namespace }), name: name ?? '' })
}

/**
 * True for an object whose deletion nothing holds up any more: no finalizers, no grace period. The server answers a
 * write with such an object when that write removed the last finalizer, and the object with it.
 */
export function isDeparting(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata ?? {}
  // Namespaces are held by finalizers in their spec.
  const { spec } = object as { spec?: { finalizers?: readonly string[] } }
  const held = finalizers.length > 0 || (spec?.finalizers?.length ?? 0) > 0 || deletionGracePeriodSeconds > 0
  return deletionTimestamp !== undefined && !held
}
