/** True for what the Go operator may leave out or write alike: absent, null, false, and texts, lists and objects without content. */
export function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === '' || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.values(value).every(isEmpty)
}

function sameObject(left: object, right: object): boolean {
  const keys = new Set([...Object.keys(left), ...Object.keys(right)])
  return [...keys].every((key) => sameJson(Reflect.get(left, key), Reflect.get(right, key)))
}

const isPlainObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * Compares two JSON values in which absent, null, empty and false mean the same, as they do in what the Go operator
 * wrote (upstream: note on serialisation).
 */
export function sameJson(left: unknown, right: unknown): boolean {
  if (isEmpty(left) || isEmpty(right)) return isEmpty(left) && isEmpty(right)
  if (Array.isArray(left))
    return (
      Array.isArray(right) && left.length === right.length && left.every((item, index) => sameJson(item, right[index]))
    )
  return isPlainObject(left) && isPlainObject(right) ? sameObject(left, right) : left === right
}
