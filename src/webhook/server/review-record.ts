import { isJsonObject } from '../../api/schema/json.ts'

/** How a review ended: judged, converted or not, no review at all, or nobody knows why. */
export type ReviewResult = 'allowed' | 'refused' | 'converted' | 'failed' | 'unreadable' | 'error'

/** One review that was answered. */
export interface ReviewRecord {
  path: string
  kind: string
  result: ReviewResult
  /** HTTP status of the answer. */
  code: number
  seconds: number
}

/** What an answer says. */
export function readResult(answer: object): ReviewResult {
  const { response } = answer as { response?: unknown }
  if (!isJsonObject(response)) return 'error'
  const { allowed, result } = response
  if (typeof allowed === 'boolean') return allowed ? 'allowed' : 'refused'
  return isJsonObject(result) && result['status'] === 'Success' ? 'converted' : 'failed'
}
