import type { ServerResponse } from 'node:http'

/** Status and code of every refusal that the registry gives (OCI distribution specification, error codes). */
const statusOf = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 416,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 413,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
} as const

export type RegistryErrorCode = keyof typeof statusOf

/** Thrown by handlers; the server turns it into the registry's error body. */
export class RegistryRefusal extends Error {
  readonly code: RegistryErrorCode
  readonly status: number
  readonly headers: Record<string, string>

  constructor(
    code: RegistryErrorCode,
    message: string,
    options: { status?: number; headers?: Record<string, string> } = {},
  ) {
    super(message)
    this.code = code
    this.status = options.status ?? statusOf[code]
    this.headers = options.headers ?? {}
  }
}

/** Sends a JSON body. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers })
  response.end(response.req.method === 'HEAD' ? undefined : bytes)
}

/** Sends the error body of the distribution specification. */
export function sendError(
  response: ServerResponse,
  error: { status: number; code: string; message: string; headers?: Record<string, string> },
): void {
  sendJson(
    response,
    error.status,
    { errors: [{ code: error.code, message: error.message, detail: null }] },
    error.headers,
  )
}

/** Sends an answer without a body. */
export function sendEmpty(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-length': 0, ...headers })
  response.end()
}
