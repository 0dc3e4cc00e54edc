import type { User } from './hooks.ts'
import type { Target, Verb } from './http/target.ts'
import { StatusError } from './status-error.ts'

/** A request as a hook sees it, before it is served. */
export interface RequestInfo extends Target {
  verb: Verb
  path: string
  userAgent: string
  user: User
}

/**
 * What a test wants to happen instead of, or around, a request: `error` answers a Status, `drop` cuts the connection
 * before the request is served, `dropAnswer` serves it and cuts the connection before the answer is sent, `watchError`
 * opens a watch and sends an ERROR event. To delay a request, the hook waits before it answers.
 */
export type Fault =
  | { kind: 'error'; status: number; reason?: string; message?: string; retryAfterSeconds?: number }
  | { kind: 'drop' }
  | { kind: 'dropAnswer' }
  | { kind: 'watchError'; status: number; reason: string; message: string }

/** Sees every request for a resource; what it answers happens. The first hook that answers wins. */
export type RequestHook = (request: RequestInfo) => Fault | undefined | Promise<Fault | undefined>

const reasons: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

/** The error that a fault stands for. */
export function faultError(fault: Extract<Fault, { status: number }>): StatusError {
  const seconds = fault.kind === 'error' ? fault.retryAfterSeconds : undefined
  return new StatusError(fault.message ?? 'a fault that a test asked for', {
    status: fault.status,
    reason: fault.reason ?? reasons[fault.status] ?? 'Unknown',
    details: seconds === undefined ? {} : { retryAfterSeconds: seconds },
  })
}

/** One write that was served, whatever became of it. */
export interface WriteRecord {
  verb: Verb
  group: string
  resource: string
  subresource?: string
  namespace?: string
  name?: string
  userAgent: string
  user: string
  /** HTTP status of the answer. */
  status: number
  dryRun?: boolean
}
