import { type ErrorCode, type Fate, KmmError } from '../errors/error.ts'

/** What a request was for, in words for messages: `patch nodes/status worker-1`. */
export interface RequestSubject {
  verb: string
  /** Plural, with `/subresource`; or a path. */
  resource: string
  /** `namespace/name`; empty for a whole collection. */
  object: string
}

/** A failed answer of the API server. */
export interface FailedAnswer {
  status: number
  body: string
  /** The header. */
  retryAfter: string | undefined
  nowMs: number
}

/** What is used of a `Status` object. */
interface Status {
  reason: string
  message: string
  retryAfterSeconds: number | undefined
}

interface Verdict {
  code: ErrorCode
  fate: Fate
}

const messageLimit = 2_000

const verdicts: Readonly<Record<number, Verdict>> = {
  400: { code: 'Invalid', fate: 'terminal' },
  401: { code: 'Unauthorized', fate: 'retry' },
  403: { code: 'Forbidden', fate: 'wait' },
  404: { code: 'NotFound', fate: 'retry' },
  405: { code: 'ServerError', fate: 'wait' },
  406: { code: 'Invalid', fate: 'terminal' },
  408: { code: 'TimedOut', fate: 'retry' },
  409: { code: 'Conflict', fate: 'retry' },
  410: { code: 'Expired', fate: 'retry' },
  413: { code: 'Invalid', fate: 'terminal' },
  415: { code: 'Invalid', fate: 'terminal' },
  422: { code: 'Invalid', fate: 'terminal' },
  429: { code: 'TooManyRequests', fate: 'retry' },
  501: { code: 'ServerError', fate: 'wait' },
  504: { code: 'TimedOut', fate: 'retry' },
}

function judge(status: number, reason: string): Verdict {
  if (reason === 'AlreadyExists') return { code: 'AlreadyExists', fate: 'retry' }
  if (reason === 'Expired' || reason === 'Gone') return { code: 'Expired', fate: 'retry' }
  return verdicts[status] ?? { code: 'ServerError', fate: 'retry' }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/** Reads a `Status` object leniently: proxies in between answer HTML or nothing. */
function readStatus(value: unknown): Status {
  const [reason, message] = [field(value, 'reason'), field(value, 'message')]
  const seconds = field(field(value, 'details'), 'retryAfterSeconds')
  return {
    reason: typeof reason === 'string' ? reason : '',
    message: typeof message === 'string' ? message : '',
    retryAfterSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : undefined,
  }
}

function parseStatus(body: string): Status {
  try {
    return readStatus(JSON.parse(body))
  } catch {
    return { reason: '', message: body.trim(), retryAfterSeconds: undefined }
  }
}

/** `Retry-After` in milliseconds: a number of seconds, or a date. */
function parseRetryAfter(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header.trim())) return Number(header) * 1_000
  const atMs = Date.parse(header)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}

/** `patch nodes/status worker-1`. */
export function formatSubject({ verb, resource, object }: RequestSubject): string {
  return [verb, resource, object].filter((part) => part !== '').join(' ')
}

function buildError(subject: RequestSubject, status: number, parsed: Status, retryAfterMs: number | undefined) {
  const { code, fate } = judge(status, parsed.reason)
  const said = parsed.message === '' ? '' : `: ${parsed.message.slice(0, messageLimit)}`
  return new KmmError(
    `cannot ${formatSubject(subject)}: the API server answered ${status} ${parsed.reason || code}${said}`,
    {
      code,
      fate,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    },
  )
}

/** The error of an answer whose HTTP status is not a success. */
export function toAnswerError(subject: RequestSubject, answer: FailedAnswer): KmmError {
  const status = parseStatus(answer.body)
  const seconds = status.retryAfterSeconds
  const retryAfterMs =
    parseRetryAfter(answer.retryAfter, answer.nowMs) ?? (seconds === undefined ? undefined : seconds * 1_000)
  return buildError(subject, answer.status, status, retryAfterMs)
}

/** The error of an ERROR event in a watch, whose object is a `Status`. */
export function toWatchError(subject: RequestSubject, object: unknown): KmmError {
  const code = field(object, 'code')
  return buildError(subject, typeof code === 'number' ? code : 500, readStatus(object), undefined)
}

const timeoutCodes = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const certificateCodes = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS/

/** The error of a request that got no answer, or lost it half-way. */
export function toTransportError(subject: RequestSubject, error: unknown, signal: AbortSignal | undefined): KmmError {
  if (error instanceof KmmError) return error
  const what = formatSubject(subject)
  if (signal?.aborted) return new KmmError(`stopped: ${what}`, { code: 'Aborted', cause: error })
  const found = field(error, 'code')
  const code = typeof found === 'string' ? found : ''
  if (timeoutCodes.has(code))
    return new KmmError(`cannot ${what}: the API server did not answer in time`, { code: 'TimedOut', cause: error })
  const advice = certificateCodes.test(code)
    ? ': its certificate was not accepted; check certificate-authority and the server name of the kubeconfig'
    : ''
  return new KmmError(`cannot ${what}: cannot reach the API server${advice}`, { code: 'Unreachable', cause: error })
}
