import jsonPatch from 'fast-json-patch'
import { isRecord } from '../object.ts'
import { badRequest, StatusError } from '../status-error.ts'

const maxOperations = 10_000

/** Applies a JSON patch (RFC 6902) to a copy; nothing is changed when one operation fails. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every(isRecord)) {
    const what = Array.isArray(patch) ? 'value' : 'object'
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${what} into Go value of type []handlers.jsonPatchOp`,
    )
  }
  if (patch.length > maxOperations) {
    const message = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`
    throw new StatusError(message, { status: 413, reason: 'RequestEntityTooLarge' })
  }
  try {
    let document: unknown = target
    for (const operation of patch as unknown as jsonPatch.Operation[]) {
      const allowed: jsonPatch.Operation = replacesAbsentMember(document, operation)
        ? ({ ...operation, op: 'add' } as jsonPatch.Operation)
        : operation
      document = jsonPatch.applyPatch(document, [allowed], true, false).newDocument
    }
    return document
  } catch {
    throw unprocessable()
  }
}

/** The real server lets `replace` set a member of an object that is not there. */
function replacesAbsentMember(document: unknown, { op, path }: jsonPatch.Operation): boolean {
  if (op !== 'replace') return false
  const [name = '', ...parents] = path.split('/').slice(1).map(jsonPatch.unescapePathComponent).toReversed()
  const parent = parents
    .toReversed()
    .reduce<unknown>((value, step) => (isRecord(value) ? value[step] : undefined), document)
  return isRecord(parent) && !Object.hasOwn(parent, name)
}

/** The real server answers a failed test and a missing path alike: 422 without saying why. */
function unprocessable(): StatusError {
  const message = 'the server rejected our request due to an error in our request'
  return new StatusError(message, { status: 422, reason: 'Invalid', details: {} })
}
