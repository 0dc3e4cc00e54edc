import { isRecord, type ApiObject } from '../object.ts'
import { checkConverted, restoreMetadata } from './converted-metadata.ts'

const group = 'apiextensions.k8s.io'
/** The versions of ConversionReview that the server speaks. */
export const reviewVersions = ['v1', 'v1beta1']

/** One object to convert, and what for. */
export interface ConversionQuestion {
  uid: string
  /** Of the review: `v1` or `v1beta1`. */
  reviewVersion: string
  object: ApiObject
  apiVersion: string
}

/** The review that asks for one object: the real server sends them one by one, without their resourceVersion. */
export function makeReview({ uid, reviewVersion, object, apiVersion }: ConversionQuestion): object {
  const { resourceVersion: _version, ...metadata } = object.metadata
  return {
    kind: 'ConversionReview',
    apiVersion: `${group}/${reviewVersion}`,
    request: { uid, desiredAPIVersion: apiVersion, objects: [{ ...object, metadata }] },
    response: { uid: '', convertedObjects: null, result: { metadata: {} } },
  }
}

/** Throws unless the answer is a review of the version that was asked. */
function checkType(answer: Record<string, unknown>, wanted: string): void {
  const { apiVersion = '', kind = '' } = answer as { apiVersion?: string; kind?: string }
  if (apiVersion === `${group}/${wanted}` && kind === 'ConversionReview') return
  if (kind === '') {
    // Version v1beta1 was never checked, and is not.
    if (wanted === 'v1beta1') return
    throw new Error(`expected webhook response of ${group}/${wanted}, Kind=ConversionReview, got /, Kind=`)
  }
  const version = apiVersion.split('/').at(-1)
  if (kind === 'ConversionReview' && apiVersion.startsWith(`${group}/`))
    throw new Error(`converting (${version}.ConversionReview) to (${wanted}.ConversionReview): unknown conversion`)
  throw new Error(
    `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`,
  )
}

/** Throws unless the webhook says that it could. */
function checkResult(result: unknown): void {
  const { status = '', message = '' } = (isRecord(result) ? result : {}) as { status?: string; message?: string }
  if (status === 'Success') return
  throw new Error(message === '' ? `response.result.status was '${status}', not 'Success'` : message)
}

/** The objects of an answer. Throws what follows `conversion webhook for … failed: `. */
function readObjects(answer: unknown, { uid, reviewVersion }: ConversionQuestion): unknown[] {
  if (!isRecord(answer)) throw new Error('the answer is no object')
  checkType(answer, reviewVersion)
  const { response } = answer
  if (!isRecord(response)) throw new Error('no response provided')
  if (reviewVersion === 'v1' && response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'] ?? '')}`)
  checkResult(response['result'])
  const { convertedObjects } = response
  return Array.isArray(convertedObjects) ? convertedObjects : []
}

/** The object as the webhook made it, with the metadata that it may not change. Throws in the words of the real server. */
export function readConverted(answer: unknown, question: ConversionQuestion): ApiObject {
  const { object, apiVersion } = question
  const subject = `conversion webhook for ${object.apiVersion}, Kind=${object.kind}`
  const objects = inWordsOf(`${subject} failed: `, () => readObjects(answer, question))
  if (objects.length !== 1) throw new Error(`${subject} returned ${objects.length} objects, expected 1`)
  const [converted] = objects
  if (!isRecord(converted)) throw new Error('unexpected end of JSON input')
  const { apiVersion: version = '', kind = '' } = converted as { apiVersion?: string; kind?: string }
  if (kind === '') throw new Error(`Object 'Kind' is missing in '${JSON.stringify(converted)}'`)
  const wrong = `${subject} returned invalid object at index 0: invalid`
  if (version !== apiVersion) throw new Error(`${wrong} groupVersion (expected ${apiVersion}, received ${version})`)
  if (kind !== object.kind) throw new Error(`${wrong} kind (expected ${object.kind}, received ${kind})`)
  inWordsOf(`${subject} returned invalid object: `, () => checkConverted(object, converted))
  return inWordsOf(`${subject} returned invalid metadata: `, () => restoreMetadata(object, converted))
}

/** Puts words in front of what is thrown. */
function inWordsOf<T>(prefix: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Error(prefix + (error instanceof Error ? error.message : String(error)), { cause: error })
  }
}
