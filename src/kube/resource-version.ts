const plainNumber = /^(0|[1-9]\d*)$/

/**
 * Compares two resourceVersions of one kind: below zero when `left` is older. Undefined when they are no numbers, which
 * an API server may choose; then nothing can be said. They do not fit into a JavaScript number.
 */
export function compareResourceVersions(left: string, right: string): number | undefined {
  if (!plainNumber.test(left) || !plainNumber.test(right)) return undefined
  if (left.length !== right.length) return left.length - right.length
  return left < right ? -1 : Number(left > right)
}

/** True when `left` is known to be older than `right`. */
export function isOlder(left: string, right: string): boolean {
  const order = compareResourceVersions(left, right)
  return order !== undefined && order < 0
}

/** True when `left` is known to be as old as `right`, or older. */
export function isNotNewer(left: string, right: string): boolean {
  const order = compareResourceVersions(left, right)
  return order !== undefined && order <= 0
}
