/** True for what the Go operator may leave out or write alike: absent, null, false, and texts, lists and objects without content. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

/** Compares two maps of labels, in which an empty value is a value. */
export function sameMap(left: unknown, right: unknown): boolean {
  const a = isPlainObject(left) ? left : {}
  const b = isPlainObject(right) ? right : {}
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Reflect.get(a, key) === Reflect.get(b, key))
}

const labelMaps: ReadonlySet<string> = new Set(['selector', 'nodeSelector', 'matchLabels'])

function sameObject(left: object, right: object): boolean {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => {
    const same = labelMaps.has(key) ? sameMap : sameJson
    return same(Reflect.get(left, key), Reflect.get(right, key))
  })
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Compares two JSON values in which absent, null, empty and false mean the same, as they do in what the Go operator
 * wrote (upstream: note on serialisation).
 */
export function sameJson(left: unknown, right: unknown): boolean {
  if (isPlainObject(left) && isPlainObject(right)) return sameObject(left, right)
  if (isEmpty(left) || isEmpty(right)) return isEmpty(left) && isEmpty(right)
  if (Array.isArray(left))
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => sameJson(item, right[index]))
    )
  return left === right
}
