import jsonPatch from 'fast-json-patch'
import { isRecord } from '../object.ts'
import { badRequest, StatusError } from '../status-error.ts'

const maxOperations = 10_000

/** Applies a JSON patch (RFC 6902) to a copy; nothing is changed when one operation fails. */
export function applyJsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch) || !patch.every(isRecord)) throw badRequest('a JSON patch must be a list of operations')
  if (patch.length > maxOperations) {
    const message = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`
    throw new StatusError(message, { status: 413, reason: 'RequestEntityTooLarge' })
  }
  try {
    return jsonPatch.applyPatch(target, patch as unknown as jsonPatch.Operation[], true, false).newDocument
  } catch (error) {
    throw unprocessable(error)
  }
}

/** The real server answers a failed test and a missing path alike: 422 and why. */
function unprocessable(error: unknown): StatusError {
  const name = error instanceof Error ? error.name : ''
  const why = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
  const failedTest = name === 'TEST_OPERATION_FAILED'
  const message = `the server rejected our request due to an error in our request: ${failedTest ? 'testing value failed' : why}`
  return new StatusError(message, { status: 422, reason: 'Invalid', details: { causes: [] } })
}
