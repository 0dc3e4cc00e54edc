import { kmmGroup, preflightValidations } from '../../api/resources.ts'
import { isJsonObject, type JsonObject } from '../../api/schema/json.ts'
import { describeError, KmmError } from '../../errors/error.ts'
import { convertPreflight, type PreflightVersion, preflightVersions } from '../preflight/convert.ts'
import { readRequest, readUid } from './admission-review.ts'
import { badReview } from './bad-review.ts'
import { checkObject } from './read-object.ts'

/**
 * Both have the same fields. The definition names versions of PreflightValidation where those of reviews belong (upstream), of which
 * API servers know v1beta1.
 */
const apiVersions = ['apiextensions.k8s.io/v1', 'apiextensions.k8s.io/v1beta1']
const kind = 'ConversionReview'

function parseVersion(version: unknown): PreflightVersion {
  const found = preflightVersions.find((each) => `${kmmGroup}/${each}` === version)
  if (found !== undefined) return found
  throw badReview(`only ${preflightVersions.map((each) => `${kmmGroup}/${each}`).join(' and ')} can be converted`)
}

function convertObject(object: unknown, to: PreflightVersion, path: string): JsonObject {
  if (!isJsonObject(object)) throw badReview(`${path} is not an object`)
  const from = parseVersion(object['apiVersion'])
  checkObject(object, { ...preflightValidations, version: from }, path)
  return convertPreflight(object, from, to)
}

/**
 * Answers a ConversionReview of PreflightValidations (Kubernetes: apiextensions.k8s.io), all objects or none. Throws Invalid for what is
 * no such review; an object that cannot be converted is named in the answer.
 */
export function answerConversionReview(review: unknown): object {
  const request = readRequest(review, { apiVersions, kind })
  const uid = readUid(request['uid'])
  const { objects } = request
  if (!Array.isArray(objects)) throw badReview('request.objects is not a list')
  const { apiVersion } = review as { apiVersion: string }
  const answer = (response: object): object => ({ apiVersion, kind, response: { uid, ...response } })
  try {
    const to = parseVersion(request['desiredAPIVersion'])
    const convertedObjects = objects.map((object, index) => convertObject(object, to, `request.objects[${index}]`))
    return answer({ convertedObjects, result: { status: 'Success' } })
  } catch (error) {
    if (!(error instanceof KmmError)) throw error
    return answer({ result: { status: 'Failure', message: describeError(error) } })
  }
}
