import { isRecord, type ApiObject } from '../object.ts'
import type { ServedResource } from '../registry.ts'
import { parseJson } from '../http/body.ts'
import { parseMediaTypes } from '../http/negotiate.ts'
import { badRequest, notImitated, StatusError } from '../status-error.ts'
import { applyJsonPatch } from './json-patch.ts'
import { applyMergePatch } from './merge-patch.ts'
import { applyStrategicMergePatch } from './strategic-merge-patch.ts'

/** Makes the new object from the present one. */
export type PatchFunction = (current: ApiObject) => ApiObject

const jsonType = 'application/json-patch+json'
const mergeType = 'application/merge-patch+json'
const strategicType = 'application/strategic-merge-patch+json'
const applyTypes = ['application/apply-patch+yaml', 'application/apply-patch+cbor']

/** Reads a patch; 501 for server-side apply, 415 for what the kind does not take. */
export function parsePatch(resource: ServedResource, body: Buffer, contentType: string | undefined): PatchFunction {
  const type = parseMediaTypes(contentType)[0]?.type ?? ''
  if (applyTypes.includes(type)) throw notImitated('server-side apply')
  const accepted = resource.custom ? [jsonType, mergeType] : [jsonType, mergeType, strategicType]
  if (!accepted.includes(type)) throw patchTypes.includes(type) ? unsupportedPatch(resource.custom) : unknownPatch()
  const patch = parseJson(body)
  if (type !== jsonType && !isRecord(patch)) {
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${kindOf(patch)} into Go value of type map[string]interface {}`,
    )
  }
  const apply = (current: ApiObject): unknown => {
    if (type === jsonType) return applyJsonPatch(current, patch)
    if (type === mergeType) return applyMergePatch(current, patch)
    return applyStrategicMergePatch(resource.kind, current, patch)
  }
  return (current) => check(apply(current))
}

const patchTypes = [jsonType, mergeType, strategicType]

function unknownPatch(): StatusError {
  return new StatusError('415: Unsupported Media Type', { status: 415, reason: 'UnsupportedMediaType', details: {} })
}

function unsupportedPatch(isCustom: boolean): StatusError {
  const accepted = [jsonType, mergeType, ...(isCustom ? [] : [strategicType]), applyTypes[0]]
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  return new StatusError(message, { status: 415, reason: 'UnsupportedMediaType' })
}

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)

function check(value: unknown): ApiObject {
  if (isRecord(value) && isRecord(value['metadata'])) return value as ApiObject
  throw badRequest('the patch leaves no object with metadata')
}
