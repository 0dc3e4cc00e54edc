import { readFileSync } from 'node:fs'
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { computeDigest } from '../digest.ts'
import type { BuiltImage, BuiltIndex } from '../image-builder.ts'

const read = (name: string): string => readFileSync(new URL(name, import.meta.url), 'utf8')

/** The certificate authority that signed the certificate of the test servers. */
export const testCa = (): string => read('ca.pem')

/** What a request was, for assertions. */
export interface SeenRequest {
  method: string
  url: string
  authorization: string | undefined
  range: string | undefined
  host: string | undefined
  body: string
}

/** A server on loopback that notes what it is asked. */
export interface TestServer {
  /** `127.0.0.1:port`. */
  host: string
  port: number
  seen: SeenRequest[]
  stop(): Promise<void>
}

/** Answers one request; the request's body has been read. */
export type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** Starts a plain or TLS server on 127.0.0.1 and any free port. */
export async function startServer(handler: Handler, scheme: 'http' | 'https' = 'https'): Promise<TestServer> {
  const seen: SeenRequest[] = []
  const listener: RequestListener = (request, response) => {
    readBody(request).then(
      (body) => {
        const { method = '', url = '', headers } = request
        const { authorization, range, host } = headers
        seen.push({ method, url, authorization, range, host, body: body.subarray(0, 4096).toString('utf8') })
        handler(request, response, body)
      },
      () => response.destroy(),
    )
  }
  const server =
    scheme === 'https'
      ? https.createServer({ key: read('server-key.pem'), cert: read('server.pem') }, listener)
      : http.createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    host: `127.0.0.1:${port}`,
    port,
    seen,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, status: number, body: unknown, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

/** Answers with a registry's error. */
export function sendError(response: ServerResponse, status: number, code: string, headers = {}): void {
  sendJson(response, status, { errors: [{ code, message: `message of ${code}` }] }, headers)
}

/** What a test registry holds and does. */
export interface RegistryContent {
  /** By `repository/tag` and `repository@digest`. */
  manifests: Map<string, { mediaType: string; bytes: Buffer }>
  blobs: Map<string, Buffer>
  /** Sees each request first; true means that it answered. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
}

/** A registry without content. */
export function createContent(): RegistryContent {
  return { manifests: new Map(), blobs: new Map() }
}

/** Puts an image or index into a registry. */
export function addImage(
  content: RegistryContent,
  repository: string,
  tag: string,
  image: BuiltImage | BuiltIndex,
): void {
  content.manifests.set(`${repository}/${tag}`, image.manifest)
  content.manifests.set(`${repository}/${image.digest}`, image.manifest)
  for (const part of 'images' in image ? image.images : [image]) {
    content.manifests.set(`${repository}/${part.digest}`, part.manifest)
    for (const { descriptor, data } of [...part.layers, part.config]) content.blobs.set(descriptor.digest, data)
  }
}

function serveManifest(
  content: RegistryContent,
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer,
): void {
  const [, repository = '', name = ''] = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(request.url ?? '') ?? []
  if (request.method === 'PUT') {
    const manifest = { mediaType: request.headers['content-type'] ?? '', bytes: body }
    content.manifests.set(`${repository}/${name}`, manifest)
    content.manifests.set(`${repository}/${computeDigest(body)}`, manifest)
    response.writeHead(201, { 'docker-content-digest': computeDigest(body) }).end()
    return
  }
  const manifest = content.manifests.get(`${repository}/${name}`)
  if (!manifest) return sendError(response, 404, 'MANIFEST_UNKNOWN')
  response.writeHead(200, {
    'content-type': manifest.mediaType,
    'content-length': manifest.bytes.length,
    'docker-content-digest': computeDigest(manifest.bytes),
  })
  response.end(request.method === 'HEAD' ? undefined : manifest.bytes)
}

function serveBlob(content: RegistryContent, request: IncomingMessage, response: ServerResponse): void {
  const blob = content.blobs.get(request.url?.split('/').at(-1) ?? '')
  if (!blob) return sendError(response, 404, 'BLOB_UNKNOWN')
  const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
  const range = from > 0 ? { 'content-range': `bytes ${from}-${blob.length - 1}/${blob.length}` } : {}
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': blob.length - from, ...range })
  response.end(request.method === 'HEAD' ? undefined : blob.subarray(from))
}

function serveUpload(content: RegistryContent, request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const url = new URL(request.url ?? '', 'http://registry')
  const mount = url.searchParams.get('mount')
  if (request.method === 'POST') {
    const isMounted = mount !== null && content.blobs.has(mount)
    response.writeHead(isMounted ? 201 : 202, { location: `${url.pathname}upload-1?state=x` }).end()
    return
  }
  const digest = url.searchParams.get('digest') ?? ''
  if (computeDigest(body) !== digest) return sendError(response, 400, 'DIGEST_INVALID')
  content.blobs.set(digest, body)
  response.writeHead(201).end()
}

/** Answers as a small registry would: manifests, blobs with ranges, monolithic uploads, mounts. */
export function serveRegistry(content: RegistryContent): Handler {
  return (request, response, body) => {
    if (content.intercept?.(request, response)) return
    const { url = '' } = request
    if (url.includes('/manifests/')) serveManifest(content, request, response, body)
    else if (url.includes('/blobs/uploads/')) serveUpload(content, request, response, body)
    else if (url.includes('/blobs/')) serveBlob(content, request, response)
    else sendError(response, 404, 'NAME_UNKNOWN')
  }
}
