import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'
import { formatFieldError } from '../../api/schema/field-error.ts'
import type { Findings } from '../module/finding.ts'
import { badReview } from './bad-review.ts'

const apiVersion = 'admission.k8s.io/v1'
const kind = 'AdmissionReview'
const operations = ['CREATE', 'UPDATE', 'DELETE', 'CONNECT'] as const

export type Operation = (typeof operations)[number]

/** A write that the API server asks about. */
export interface AdmissionRequest {
  uid: string
  operation: Operation
  /** Of the object as it is sent here. */
  kind: { group: string; version: string; kind: string }
  /** Absent for DELETE. */
  object?: JsonObject
  /** Absent for CREATE. */
  oldObject?: JsonObject
}

/** Text of a hostile review must not fill an answer. */
const mostUid = 128
const mostListed = 25
const mostWarning = 400

function readText(value: unknown, path: string): string {
  if (typeof value !== 'string') throw badReview(`${path} is not a string`)
  return value
}

function readObject(value: unknown, path: string): JsonObject | undefined {
  if (value === null || value === undefined) return undefined
  if (!isJsonObject(value)) throw badReview(`${path} is not an object`)
  return value
}

/** The uid of a review's request, which its answer repeats. Throws Invalid. */
export function readUid(value: unknown): string {
  const uid = readText(value, 'request.uid')
  if (uid === '' || uid.length > mostUid) throw badReview(`request.uid must have 1 to ${mostUid} characters`)
  return uid
}

/** The request of a review of this kind and of one of these versions. Throws Invalid. */
export function readRequest(review: unknown, wanted: { apiVersions: readonly string[]; kind: string }): JsonObject {
  const { apiVersions, kind: kindWanted } = wanted
  const isWanted = (value: JsonObject): boolean =>
    value['kind'] === kindWanted && apiVersions.some((each) => each === value['apiVersion'])
  if (!isJsonObject(review) || !isWanted(review))
    throw badReview(`it must be a ${kindWanted} of ${apiVersions.join(' or ')}`)
  const request = review['request']
  if (!isJsonObject(request)) throw badReview('it has no request')
  return request
}

/** Reads an AdmissionReview (Kubernetes: admission.k8s.io/v1). Throws Invalid. */
export function parseAdmissionReview(review: unknown): AdmissionRequest {
  const request = readRequest(review, { apiVersions: [apiVersion], kind })
  const operation = operations.find((each) => each === request['operation'])
  if (operation === undefined) throw badReview(`request.operation is not one of ${operations.join(', ')}`)
  const type = readObject(request['kind'], 'request.kind')
  if (type === undefined) throw badReview('request.kind is missing')
  const object = readObject(request['object'], 'request.object')
  const oldObject = readObject(request['oldObject'], 'request.oldObject')
  return {
    uid: readUid(request['uid']),
    operation,
    kind: {
      group: readText(type['group'], 'request.kind.group'),
      version: readText(type['version'], 'request.kind.version'),
      kind: readText(type['kind'], 'request.kind.kind'),
    },
    ...(object === undefined ? {} : { object }),
    ...(oldObject === undefined ? {} : { oldObject }),
  }
}

/** The verdict on a request. */
export interface AdmissionAnswer {
  /** Why it is refused; absent when it is allowed. */
  refusal?: { message: string; causes?: { field: string; reason: string; message: string }[] }
  warnings: string[]
}

/** Refuses for every error, with all of them in the message. */
export function toAnswer({ errors, warnings }: Findings): AdmissionAnswer {
  if (errors.length === 0) return { warnings }
  const lines = errors.slice(0, mostListed).map(formatFieldError)
  const left = errors.length - lines.length
  const [first = ''] = lines
  const message =
    errors.length === 1
      ? first
      : [
          `${errors.length} problems:`,
          ...lines.map((line) => `- ${line}`),
          ...(left > 0 ? [`and ${left} more`] : []),
        ].join('\n')
  return { refusal: { message, causes: errors.slice(0, mostListed) }, warnings }
}

/** A warning travels in a header: one line, of moderate length. */
function cleanWarning(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ')
  return line.length > mostWarning ? `${line.slice(0, mostWarning - 1)}…` : line
}

/** The review that goes back; refusals are 403, as upstream's. */
export function formatAdmissionReview(uid: string, { refusal, warnings }: AdmissionAnswer): object {
  const cleaned = [...new Set(warnings)].slice(0, mostListed).map(cleanWarning)
  return {
    apiVersion,
    kind,
    response: {
      uid,
      allowed: refusal === undefined,
      ...(cleaned.length === 0 ? {} : { warnings: cleaned }),
      ...(refusal === undefined ? {} : { status: formatStatus(refusal) }),
    },
  }
}

function formatStatus({ message, causes }: NonNullable<AdmissionAnswer['refusal']>): object {
  return {
    status: 'Failure',
    code: 403,
    reason: 'Forbidden',
    message,
    ...(causes === undefined ? {} : { details: { causes } }),
  }
}
