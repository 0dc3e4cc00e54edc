import { createHash } from 'node:crypto'

/** Objects with their keys in order, and without what is undefined: the same content is the same text. */
function order(_: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1)))
}

/** SHA-256 in hexadecimal digits of JSON values, over their canonical JSON. */
export const hashParts = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts, order)).digest('hex')
