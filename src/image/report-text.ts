import { hasCode, KmmError } from '../errors/error.ts'
import { isRecord, quoteUntrusted } from '../oci/text.ts'

/** The kubelet cuts termination messages at 4,096 bytes. */
export const mostReportBytes = 4000
const mostInput = 16_384
const longestMessage = 2000

/** What every report begins with, and the fields of which nothing is known yet. */
export interface ReportHead {
  outcome: 'ok' | 'failed'
  message: string
  fields: Record<string, unknown>
}

/** Reads what all reports of pods have in common; undefined for what is none. Nothing in it is trusted. */
export function parseReportHead(text: string): ReportHead | undefined {
  const fields = text.length > mostInput ? undefined : parseJson(text)
  if (!isRecord(fields) || fields['v'] !== 1) return undefined
  const { outcome, message } = fields
  if (outcome !== 'ok' && outcome !== 'failed') return undefined
  return { outcome, message: typeof message === 'string' ? quoteUntrusted(message, longestMessage) : '', fields }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** At most 1,000 characters of a message are kept, which is at most 3,000 bytes of JSON: room is left for the rest. */
export function cutMessage(message: string): string {
  const plain = quoteUntrusted(message, 1000)
  return Buffer.byteLength(JSON.stringify(plain)) > 3000 ? `${plain.slice(0, 450)}…` : plain
}

/** Which of a report's reasons an error is: that of its code, else what the system says of it, else `Unknown`. */
export function findErrorReason<R extends string>(
  error: unknown,
  reasons: readonly R[],
): R | 'OutOfSpace' | 'Aborted' | 'Unknown' {
  if (error instanceof KmmError) return reasons.find((reason) => reason === error.code) ?? 'Unknown'
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'OutOfSpace'
  return hasCode(error, 'Aborted') || (error instanceof Error && error.name === 'AbortError') ? 'Aborted' : 'Unknown'
}
