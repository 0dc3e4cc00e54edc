import { KmmError, type ErrorCode } from '../../errors/error.ts'
import { formatGroupKind, formatGroupResource, type GroupResource } from './object.ts'
import type { Resource } from '../../kube/resource.ts'

/** One thing wrong with one field, as `details.causes` of a Status carries it. */
export interface StatusCause {
  /** `FieldValueRequired`, `FieldValueInvalid`, `FieldValueForbidden`, … */
  reason: string
  /** Without the field's path: `Invalid value: "x": must be …`. */
  message: string
  /** Path of the field: `spec.selector`. */
  field: string
}

/** `details` of a Status object. */
export interface StatusDetails {
  name?: string
  group?: string
  /** The plural name of the resource, or the kind in a validation error. */
  kind?: string
  uid?: string
  causes?: Partial<StatusCause>[]
  retryAfterSeconds?: number
}

/** What an answer of the API server says went wrong. */
export interface StatusOptions {
  status: number
  /** Empty where the server gives none. */
  reason: string
  details?: StatusDetails
}

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'Invalid',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
}

/** An error that the API server answers as a `Status` object: HTTP status, reason, message and details. */
export class StatusError extends KmmError {
  readonly status: number
  readonly reason: string
  readonly details: StatusDetails | undefined

  constructor(message: string, options: StatusOptions) {
    const code = options.reason === 'AlreadyExists' ? 'AlreadyExists' : (codes[options.status] ?? 'ServerError')
    super(message, { code, fate: 'terminal' })
    this.name = 'StatusError'
    this.status = options.status
    this.reason = options.reason
    this.details = options.details
  }
}

/** Details that name an object by resource, as most answers do. */
function detailsOf(resource: GroupResource, name: string): StatusDetails {
  return { name, ...(resource.group === '' ? {} : { group: resource.group }), kind: resource.plural }
}

/** 404: `pods "x" not found`. */
export function notFound(resource: GroupResource, name: string): StatusError {
  const message = `${formatGroupResource(resource)} ${JSON.stringify(name)} not found`
  return new StatusError(message, { status: 404, reason: 'NotFound', details: detailsOf(resource, name) })
}

/** 409 of a create whose name is taken. */
export function alreadyExists(resource: GroupResource, name: string, isGoing = false): StatusError {
  const going = isGoing ? 'object is being deleted: ' : ''
  const message = `${going}${formatGroupResource(resource)} ${JSON.stringify(name)} already exists`
  return new StatusError(message, { status: 409, reason: 'AlreadyExists', details: detailsOf(resource, name) })
}

/** 409 of a write that does not fit to what is stored, and why. */
export function conflict(resource: GroupResource, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${formatGroupResource(resource)} ${JSON.stringify(name)}: ${why}`
  return new StatusError(message, { status: 409, reason: 'Conflict', details: detailsOf(resource, name) })
}

/** The conflict of a write that was decided on an older version of the object. */
export function modified(resource: GroupResource, name: string): StatusError {
  return conflict(
    resource,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  )
}

/** `pods "x" is forbidden: why`; without a name, as for a create with a generated name: `pods is forbidden: why`. */
export function forbidden(resource: GroupResource, name: string, why: string): StatusError {
  const subject = formatGroupResource(resource) + (name === '' ? '' : ` ${JSON.stringify(name)}`)
  const details = detailsOf(resource, name)
  return new StatusError(`${subject} is forbidden: ${why}`, { status: 403, reason: 'Forbidden', details })
}

function joinCauses(causes: readonly StatusCause[]): string {
  const texts = [...new Set(causes.map((cause) => `${cause.field}: ${cause.message}`))]
  return texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`
}

/** The answer to an object that failed validation. */
export function invalid(
  resource: Pick<Resource, 'group' | 'kind'>,
  name: string,
  causes: readonly StatusCause[],
): StatusError {
  const message = `${formatGroupKind(resource)} ${JSON.stringify(name)} is invalid: ${joinCauses(causes)}`
  const group = resource.group === '' ? {} : { group: resource.group }
  const details = { ...(name === '' ? {} : { name }), ...group, kind: resource.kind, causes: [...causes] }
  return new StatusError(message, { status: 422, reason: 'Invalid', details })
}

/** 400: what was sent cannot be understood. */
export function badRequest(message: string): StatusError {
  return new StatusError(message, { status: 400, reason: 'BadRequest' })
}

/** A list's continue token or a watch's resourceVersion that is no longer kept. */
export function expired(message: string): StatusError {
  return new StatusError(message, { status: 410, reason: 'Expired' })
}

/** 405. */
export function methodNotAllowed(): StatusError {
  const message = 'the server does not allow this method on the requested resource'
  return new StatusError(message, { status: 405, reason: 'MethodNotAllowed', details: {} })
}

/** A path that names no resource. */
export function noSuchResource(): StatusError {
  const message = 'the server could not find the requested resource'
  return new StatusError(message, { status: 404, reason: 'NotFound', details: {} })
}

/** What the sandbox does not imitate: 501 with the feature's name, never a plausible answer. */
export function notImitated(feature: string, advice = 'use a real cluster for it'): StatusError {
  const message = `the KMM sandbox does not imitate ${feature}; ${advice}`
  return new StatusError(message, { status: 501, reason: 'NotImplemented' })
}

/** The Status object that an error is answered with. */
export function toStatus(error: StatusError): Record<string, unknown> {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: error.message,
    ...(error.reason === '' ? {} : { reason: error.reason }),
    ...(error.details === undefined ? {} : { details: error.details }),
    code: error.status,
  }
}
