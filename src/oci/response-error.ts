import { type ErrorCode, KmmError } from '../errors/error.ts'
import type { HttpResponse } from './exchange.ts'
import { parseRetryAfter } from './retry.ts'
import { isRecord, quoteUntrusted } from './text.ts'

/** What was asked for, for messages. */
export interface Asked {
  /** Such as `image registry.example.com/a/b:c`. */
  subject: string
  /** `host[:port]` as the user writes it. */
  registry: string
  /** Whether a pull secret had credentials for it. */
  hasCredentials: boolean
  now: number
}

/** An answer that is no success, as an error. */
export interface ResponseFailure {
  error: KmmError
  isTransient: boolean
  retryAfterMs?: number
}

const maximumDetail = 16_384
const maximumDetailMs = 5000
const transientStatuses = [408, 425, 429, 500, 502, 503, 504]
const codesByDetail: Readonly<Record<string, ErrorCode>> = {
  NAME_UNKNOWN: 'ImageNotFound',
  MANIFEST_UNKNOWN: 'ImageNotFound',
  BLOB_UNKNOWN: 'ImageNotFound',
  UNAUTHORIZED: 'RegistryUnauthorized',
  DENIED: 'RegistryUnauthorized',
  TOOMANYREQUESTS: 'RegistryUnreachable',
}

/** Reads at most `limit` bytes of a body as text and lets go of the rest; what breaks on the way is left out. */
async function readSome(response: HttpResponse, limit = maximumDetail): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  const timer = setTimeout(() => response.body.destroy(), maximumDetailMs)
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      size += chunk.length
      if (size >= limit) break
    }
  } catch {
    // The status already says what failed; the body would only add words.
  } finally {
    clearTimeout(timer)
  }
  response.body.destroy()
  return Buffer.concat(chunks).subarray(0, limit).toString('utf8')
}

/** The first error of a registry's JSON answer. */
function parseDetail(text: string): { code: string; message: string } {
  try {
    const document: unknown = JSON.parse(text)
    const errors = isRecord(document) && Array.isArray(document['errors']) ? document['errors'] : []
    const first: unknown = errors[0]
    if (isRecord(first)) {
      const { code, message } = first
      return {
        code: typeof code === 'string' ? quoteUntrusted(code, 60) : '',
        message: typeof message === 'string' ? quoteUntrusted(message) : '',
      }
    }
  } catch {
    // Not JSON: a proxy's or a web server's page.
  }
  return { code: '', message: '' }
}

function findCode(status: number, detail: string): ErrorCode {
  if (Object.hasOwn(codesByDetail, detail)) return codesByDetail[detail] ?? 'RegistryUnreachable'
  if (status === 401 || status === 403) return 'RegistryUnauthorized'
  return status === 404 ? 'ImageNotFound' : 'RegistryUnreachable'
}

function describe(code: ErrorCode, answer: string, asked: Asked): string {
  const { subject, registry } = asked
  if (code === 'ImageNotFound')
    return `${subject} does not exist: registry ${registry} ${answer}; push it, or correct the registry, name, tag or digest`
  if (code === 'RegistryUnauthorized')
    return asked.hasCredentials
      ? `registry ${registry} refuses ${subject} to the credentials of the pull secret: it ${answer}; check that they are still valid and may read this image, and that the image exists`
      : `registry ${registry} refuses ${subject} without credentials: it ${answer}; name a pull secret for ${registry} in imageRepoSecret (or in the service account), or correct the name if the image does not exist`
  return `registry ${registry} gave no useful answer for ${subject}: it ${answer}; check the registry's health, or whether the host is a registry at all`
}

/** Turns an unexpected answer into an error that says what to check. Consumes the body. */
export async function explainResponse(response: HttpResponse, asked: Asked): Promise<ResponseFailure> {
  const detail = parseDetail(await readSome(response))
  const code = findCode(response.status, detail.code)
  const via = response.isOwnOrigin ? '' : ` by way of ${response.url.host}`
  const words = [detail.code, detail.message].filter((part) => part !== '').join(': ')
  const answer = `answered ${response.status}${via}${words === '' ? '' : ` (${words})`}`
  const retryAfter = response.headers['retry-after']
  const retryAfterMs = parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : undefined, asked.now)
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
  const error = new KmmError(describe(code, answer, asked), { code, ...wait })
  return { error, isTransient: code === 'RegistryUnreachable' && transientStatuses.includes(response.status), ...wait }
}
