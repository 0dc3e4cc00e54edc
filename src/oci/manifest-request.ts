import { computeDigest, computeDigestLike, isDigest } from './digest.ts'
import { discardBody, type HttpResponse } from './exchange.ts'
import { maximumManifestSize, refuseImage } from './manifest.ts'
import { acceptedManifests } from './media-types.ts'
import { readBody } from './read-body.ts'
import { getManifestName } from './reference.ts'
import type { Session } from './session.ts'
import type { TimeLimits } from './transport.ts'

/** A manifest as it lies in the registry. */
export interface RawManifest {
  digest: string
  mediaType: string
  bytes: Buffer
}

/** What the registry says of a manifest; `size` in bytes. */
export interface ManifestHead {
  digest: string
  mediaType: string
  size: number
}

/** How a manifest is asked for. */
export interface ManifestRequest {
  session: Session
  subject: string
  limits: TimeLimits
  signal: AbortSignal | undefined
}

function readHeader(response: HttpResponse, name: string): string {
  const value = response.headers[name]
  return typeof value === 'string' ? value : ''
}

/** The digest of a manifest's bytes; throws ImageInvalid when they are not what was asked for or promised. */
function verifyDigest(request: ManifestRequest, bytes: Uint8Array, promised: string): string {
  const wanted = request.session.endpoint.reference.digest
  for (const digest of [wanted, isDigest(promised) ? promised : undefined]) {
    if (digest === undefined) continue
    const actual = computeDigestLike(digest, bytes)
    if (actual !== digest)
      refuseImage(
        request.subject,
        `its manifest has the digest ${actual} instead of ${digest}; it was damaged, push it again`,
      )
  }
  return wanted ?? computeDigest(bytes)
}

/** Reads a manifest of at most 4 MiB and verifies its digest, where one is known. */
export function fetchManifest(request: ManifestRequest): Promise<RawManifest> {
  const { session, subject, limits, signal } = request
  return session.send({
    method: 'GET',
    target: `manifests/${getManifestName(session.endpoint.reference)}`,
    headers: { accept: acceptedManifests },
    actions: 'pull',
    accept: [200],
    subject,
    signal,
    consume: async (response) => {
      const bytes = await readBody(response, { maximumBytes: maximumManifestSize, limits, subject, signal })
      const digest = verifyDigest(request, bytes, readHeader(response, 'docker-content-digest'))
      return { digest, mediaType: readHeader(response, 'content-type'), bytes }
    },
  })
}

/** What HEAD tells; undefined when the registry does not know HEAD, or leaves digest or size out. */
function requestHead(request: ManifestRequest): Promise<ManifestHead | undefined> {
  const { session, subject, signal } = request
  const wanted = session.endpoint.reference.digest
  return session.send({
    method: 'HEAD',
    target: `manifests/${getManifestName(session.endpoint.reference)}`,
    headers: { accept: acceptedManifests },
    actions: 'pull',
    accept: [200, 400, 405, 501],
    subject,
    signal,
    consume: async (response) => {
      await discardBody(response)
      const digest = readHeader(response, 'docker-content-digest')
      const size = readHeader(response, 'content-length')
      if (response.status !== 200 || !isDigest(digest) || !/^[0-9]{1,9}$/.test(size)) return undefined
      if (wanted !== undefined && digest !== wanted) return undefined
      return { digest, mediaType: readHeader(response, 'content-type'), size: Number(size) }
    },
  })
}

/** Asks for a manifest by HEAD; where that does not tell digest and size, reads it and computes them. */
export async function fetchManifestHead(request: ManifestRequest): Promise<ManifestHead> {
  const head = await requestHead(request)
  if (head) return head
  const { digest, mediaType, bytes } = await fetchManifest(request)
  return { digest, mediaType, size: bytes.length }
}
