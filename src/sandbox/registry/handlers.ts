import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type BlobStore, requireDigest } from './blob-store.ts'
import { spoilBody, type Strike } from './faults.ts'
import { mediaTypes, type Repositories, type StoredManifest } from './repositories.ts'
import { RegistryRefusal, sendEmpty, sendJson } from './respond.ts'
import type { RegistryExchange } from './types.ts'

/** What the handlers work on. */
export interface RegistryState {
  blobs: BlobStore
  repositories: Repositories
}

/** One request with everything that its handler needs. */
export interface Call extends RegistryExchange {
  response: ServerResponse
  strike: Strike | undefined
  state: RegistryState
}

async function sendBody(call: Call, status: number, headers: Record<string, string>, body: Readable): Promise<void> {
  const { response, strike } = call
  response.writeHead(status, headers)
  if (call.request.method === 'HEAD') {
    body.destroy()
    response.end()
    return
  }
  response.flushHeaders()
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  await pipeline(spoilBody(body, strike, gone.signal), response)
}

function accepts(manifest: StoredManifest, header: string | undefined): boolean {
  if (header === undefined || header.trim() === '') return true
  const types = header.split(',').map((each) => (each.split(';')[0] ?? '').trim())
  return types.some((type) => type === manifest.mediaType || type === '*/*' || type === 'application/*')
}

async function getManifest(call: Call): Promise<void> {
  const { repository, reference } = call.record
  const manifest = call.state.repositories.find(repository, reference)
  if (manifest === undefined)
    throw new RegistryRefusal('MANIFEST_UNKNOWN', `manifest unknown: ${repository}:${reference}`)
  if (!accepts(manifest, call.request.headers.accept))
    throw new RegistryRefusal(
      'MANIFEST_UNKNOWN',
      `manifest found, but accept header does not support ${manifest.mediaType}`,
    )
  const headers = {
    'content-type': manifest.mediaType,
    'content-length': String(manifest.bytes.length),
    'docker-content-digest': manifest.digest,
    etag: `"${manifest.digest}"`,
  }
  await sendBody(call, 200, headers, Readable.from([manifest.bytes]))
}

async function putManifest(call: Call): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of call.request) chunks.push(Buffer.from(chunk))
  const type = call.request.headers['content-type'] ?? mediaTypes.ociManifest
  const { repository, reference } = call.record
  const stored = call.state.repositories.put(repository, reference, type, Buffer.concat(chunks))
  sendEmpty(call.response, 201, {
    location: `/v2/${repository}/manifests/${stored.digest}`,
    'docker-content-digest': stored.digest,
  })
}

function parseRange(header: string, size: number): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header)
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = match[1] === '' || match[2] === '' ? size - 1 : Math.min(size - 1, Number(match[2]))
  if (start >= size || start > end) {
    const headers = { 'content-range': `bytes */${size}` }
    throw new RegistryRefusal('BLOB_UPLOAD_INVALID', 'range not satisfiable', { headers })
  }
  return { start, end }
}

async function getBlob(call: Call): Promise<void> {
  const { repository, reference } = call.record
  const digest = requireDigest(reference)
  const size = call.state.repositories.hasBlob(repository, digest) ? call.state.blobs.sizeOf(digest) : undefined
  if (size === undefined) throw new RegistryRefusal('BLOB_UNKNOWN', 'blob unknown to registry')
  const range = parseRange(call.record.range, size)
  const length = range === undefined ? size : range.end - range.start + 1
  const headers: Record<string, string> = {
    'content-type': 'application/octet-stream',
    'content-length': String(length),
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    ...(range === undefined ? {} : { 'content-range': `bytes ${range.start}-${range.end}/${size}` }),
  }
  await sendBody(call, range === undefined ? 200 : 206, headers, call.state.blobs.read(digest, range))
}

async function deleteBlob(call: Call): Promise<void> {
  const { repository, reference } = call.record
  const digest = requireDigest(reference)
  if (!call.state.repositories.hasBlob(repository, digest))
    throw new RegistryRefusal('BLOB_UNKNOWN', 'blob unknown to registry')
  if (call.state.repositories.removeBlob(repository, digest)) await call.state.blobs.remove(digest)
  sendEmpty(call.response, 202)
}

function deleteManifest(call: Call): void {
  const { repository, reference } = call.record
  if (!call.state.repositories.remove(repository, reference))
    throw new RegistryRefusal('MANIFEST_UNKNOWN', 'manifest unknown')
  sendEmpty(call.response, 202)
}

function sendUploadState(call: Call, id: string, size: number, status: number): void {
  sendEmpty(call.response, status, {
    location: `/v2/${call.record.repository}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    range: `0-${Math.max(0, size - 1)}`,
  })
}

function sendBlobMade(call: Call, digest: string): void {
  sendEmpty(call.response, 201, {
    location: `/v2/${call.record.repository}/blobs/${digest}`,
    'docker-content-digest': digest,
  })
}

async function beginUpload(call: Call): Promise<void> {
  const { repository } = call.record
  const { blobs, repositories } = call.state
  const mount = call.url.searchParams.get('mount')
  const from = call.url.searchParams.get('from')
  if (mount !== null && from !== null && repositories.hasBlob(from, mount)) {
    repositories.addBlob(repository, mount)
    sendBlobMade(call, mount)
    return
  }
  const id = await blobs.begin(repository)
  const digest = call.url.searchParams.get('digest')
  if (digest === null) return sendUploadState(call, id, 0, 202)
  await blobs.append(repository, id, call.request)
  await blobs.finish(repository, id, requireDigest(digest))
  repositories.addBlob(repository, digest)
  sendBlobMade(call, digest)
}

/** A chunk must begin where the session ends. */
function requireNextChunk(call: Call, id: string): void {
  const header = call.request.headers['content-range']
  const at = call.state.blobs.progress(call.record.repository, id)
  const start = /^(?:bytes )?(\d+)-\d+/.exec(header ?? '')?.[1]
  if (start !== undefined && Number(start) !== at)
    throw new RegistryRefusal('BLOB_UPLOAD_INVALID', `the next chunk must begin at byte ${at}`)
}

async function continueUpload(call: Call): Promise<void> {
  const { repository, reference: id } = call.record
  const { blobs, repositories } = call.state
  requireNextChunk(call, id)
  const size = await blobs.append(repository, id, call.request)
  if (call.request.method === 'PATCH') return sendUploadState(call, id, size, 202)
  const digest = requireDigest(call.url.searchParams.get('digest') ?? '')
  await blobs.finish(repository, id, digest)
  repositories.addBlob(repository, digest)
  sendBlobMade(call, digest)
}

async function handleUpload(call: Call): Promise<void> {
  const { repository, reference: id } = call.record
  switch (call.request.method) {
    case 'POST':
      return beginUpload(call)
    case 'PATCH':
    case 'PUT':
      return continueUpload(call)
    case 'GET':
      return sendUploadState(call, id, call.state.blobs.progress(repository, id), 204)
    case 'DELETE':
      await call.state.blobs.cancel(repository, id)
      return sendEmpty(call.response, 204)
    default:
      throw new RegistryRefusal('UNSUPPORTED', 'the operation is unsupported')
  }
}

function page<T extends string>(names: readonly T[], call: Call): { names: T[]; link: Record<string, string> } {
  const last = call.url.searchParams.get('last')
  const limit = Number(call.url.searchParams.get('n') ?? names.length)
  const rest = names.filter((name) => last === null || name > last)
  const shown = rest.slice(0, limit)
  const more = rest.length > shown.length && shown.length > 0
  const next = `${call.url.pathname}?n=${limit}&last=${encodeURIComponent(shown.at(-1) ?? '')}`
  return { names: shown, link: more ? { link: `<${next}>; rel="next"` } : {} }
}

function listTags(call: Call): void {
  const { repository } = call.record
  const tags = call.state.repositories.tags(repository)
  if (tags === undefined) throw new RegistryRefusal('NAME_UNKNOWN', 'repository name not known to registry')
  const { names, link } = page(tags, call)
  sendJson(call.response, 200, { name: repository, tags: names }, link)
}

function listRepositories(call: Call): void {
  const { names, link } = page(call.state.repositories.names(), call)
  sendJson(call.response, 200, { repositories: names }, link)
}

const reads = ['GET', 'HEAD']

async function handleManifest(call: Call): Promise<void> {
  const method = call.request.method ?? ''
  if (reads.includes(method)) return getManifest(call)
  if (method === 'PUT') return putManifest(call)
  if (method === 'DELETE') return deleteManifest(call)
  throw new RegistryRefusal('UNSUPPORTED', 'the operation is unsupported')
}

async function handleBlob(call: Call): Promise<void> {
  const method = call.request.method ?? ''
  if (reads.includes(method)) return getBlob(call)
  if (method === 'DELETE') return deleteBlob(call)
  throw new RegistryRefusal('UNSUPPORTED', 'the operation is unsupported')
}

/** Answers a request that is allowed and that no fault has answered. */
export async function handle(call: Call): Promise<void> {
  switch (call.record.kind) {
    case 'ping':
      return sendJson(call.response, 200, {})
    case 'manifest':
      return handleManifest(call)
    case 'blob':
      return handleBlob(call)
    case 'upload':
      return handleUpload(call)
    case 'tags':
      return listTags(call)
    case 'catalog':
      return listRepositories(call)
    default:
      throw new RegistryRefusal('NAME_UNKNOWN', `the sandbox's registry has nothing at ${call.url.pathname}`)
  }
}
