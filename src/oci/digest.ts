import { createHash, type Hash } from 'node:crypto'

const lengths: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 }

/** True for `sha256:<64 hex>` and `sha512:<128 hex>`, lower-case: the two algorithms that OCI registers. */
export function isDigest(text: string): boolean {
  const at = text.indexOf(':')
  const length = lengths[text.slice(0, at)]
  return length !== undefined && text.length === at + 1 + length && /^[0-9a-f]+$/.test(text.slice(at + 1))
}

/** Starts a hash with the algorithm of a digest that `isDigest` accepted. */
export function createDigestHash(digest: string): Hash {
  return createHash(digest.slice(0, digest.indexOf(':')))
}

/** The digest of bytes, by default in sha256. */
export function computeDigest(bytes: Uint8Array | string, algorithm: 'sha256' | 'sha512' = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** The digest of bytes in the algorithm of another digest, to compare the two. */
export function computeDigestLike(digest: string, bytes: Uint8Array): string {
  return computeDigest(bytes, digest.startsWith('sha512:') ? 'sha512' : 'sha256')
}
