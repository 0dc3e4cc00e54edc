import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'
import type { Json } from '../../api/schema/schema.ts'

/** A result of v1beta2 that has a key in v1beta1: a namespace has no slash, so that the first one ends it. */
type Keyable = JsonObject & { namespace: string; name: string }

export function isKeyable(value: Json): value is Keyable {
  if (!isJsonObject(value)) return false
  const { name, namespace } = value
  return typeof name === 'string' && typeof namespace === 'string' && namespace !== '' && !namespace.includes('/')
}

/** The key of a result in v1beta1: `namespace/name`. */
export const keyOf = ({ namespace, name }: Keyable): string => `${namespace}/${name}`

/** True for a key that names a Module in a namespace; v1beta1 may have others. */
export const isKey = (key: string): boolean => key.indexOf('/') > 0

/** The opposite of keyOf. */
export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/')
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) }
}

const compareText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

function compareKeys(left: string, right: string): number {
  const [a, b] = [splitKey(left), splitKey(right)]
  return compareText(a.namespace, b.namespace) || compareText(a.name, b.name)
}

/** Keys by namespace and name, behind those that `order` names; what it holds besides keys, objects, stays in its place. */
export function orderKeys(keys: readonly string[], order: readonly Json[] = []): Json[] {
  const present = new Set<Json>(keys)
  const first = new Set(order.filter((item) => present.has(item) || isJsonObject(item)))
  return [...first, ...keys.filter((key) => !first.has(key)).toSorted(compareKeys)]
}
