import type { Readable } from 'node:stream'
import { KmmError } from '../errors/error.ts'
import { computeDigest } from './digest.ts'
import { discardBody, type HttpResponse } from './exchange.ts'
import type { Descriptor } from './manifest.ts'
import type { Session, SessionRequest } from './session.ts'

/** Bytes to push: all of them, or a function that opens a stream anew for each attempt. */
export type BlobData = Uint8Array | (() => Readable)

/** The writing half of a registry client, for one repository. Throws the same errors as the reading half. */
export interface Uploader {
  blobExists(digest: string, signal?: AbortSignal): Promise<boolean>
  /** Pushes a blob in one piece, unless the registry has it. */
  putBlob(descriptor: Descriptor, data: BlobData, signal?: AbortSignal): Promise<void>
  /** Takes a blob over from another repository of the same registry; false when the registry would not. */
  mountBlob(digest: string, from: string, signal?: AbortSignal): Promise<boolean>
  /** Pushes a manifest under a tag or digest and returns its digest. */
  putManifest(name: string, manifest: { mediaType: string; bytes: Uint8Array }, signal?: AbortSignal): Promise<string>
}

function readLocation(response: HttpResponse, subject: string): URL {
  const location = response.headers.location
  if (typeof location !== 'string' || !URL.canParse(location, response.url.href))
    throw new KmmError(`the registry does not say where to upload ${subject}; is the host a registry?`, {
      code: 'RegistryUnreachable',
    })
  return new URL(location, response.url)
}

/** Where to put the blob: the location that the registry gave, with the digest added to its query. */
async function startUpload(session: Session, digest: string, subject: string, signal?: AbortSignal): Promise<URL> {
  const url = await session.send({
    method: 'POST',
    target: 'blobs/uploads/',
    headers: { 'content-length': '0' },
    actions: 'pull,push',
    accept: [202],
    subject,
    signal,
    consume: async (response) => {
      const location = readLocation(response, subject)
      await discardBody(response)
      return location
    },
  })
  url.searchParams.set('digest', digest)
  return url
}

/** Sends a request whose answer is its status alone. */
async function sendForStatus(
  session: Session,
  request: Omit<SessionRequest<number>, 'actions' | 'consume'>,
): Promise<number> {
  return session.send({
    ...request,
    actions: 'pull,push',
    consume: async (response) => {
      await discardBody(response)
      return response.status
    },
  })
}

/** Makes the uploader of a session; `name` is the repository's name for messages. */
export function createUploader(session: Session, name: string): Uploader {
  const blobExists: Uploader['blobExists'] = async (digest, signal) => {
    const subject = `blob ${digest} of ${name}`
    const request = { method: 'HEAD' as const, target: `blobs/${digest}`, accept: [200, 404], subject, signal }
    return (await sendForStatus(session, request)) === 200
  }

  return {
    blobExists,
    putBlob: async (descriptor, data, signal) => {
      if (await blobExists(descriptor.digest, signal)) return
      const subject = `the upload of blob ${descriptor.digest} to ${name}`
      await sendForStatus(session, {
        method: 'PUT',
        target: 'blobs/uploads/',
        // A registry keeps what came before a connection broke: sent again to the same upload, the bytes would be there twice.
        locate: () => startUpload(session, descriptor.digest, subject, signal),
        headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) },
        body: () => (data instanceof Uint8Array ? data : data()),
        accept: [201, 204],
        subject,
        signal,
      })
    },
    mountBlob: async (digest, from, signal) => {
      const status = await sendForStatus(session, {
        method: 'POST',
        target: `blobs/uploads/?${new URLSearchParams({ mount: digest, from }).toString()}`,
        headers: { 'content-length': '0' },
        mountFrom: from,
        // 202 opens an ordinary upload instead, which the registry drops by itself.
        accept: [201, 202],
        subject: `the mount of blob ${digest} from ${from} in ${name}`,
        signal,
      })
      return status === 201
    },
    putManifest: async (tagOrDigest, manifest, signal) => {
      await sendForStatus(session, {
        method: 'PUT',
        target: `manifests/${tagOrDigest}`,
        headers: { 'content-type': manifest.mediaType, 'content-length': String(manifest.bytes.length) },
        body: () => manifest.bytes,
        accept: [200, 201],
        subject: `the upload of manifest ${tagOrDigest} to ${name}`,
        signal,
      })
      return computeDigest(manifest.bytes)
    },
  }
}
