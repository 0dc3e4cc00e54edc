import { describeError, type ErrorCode } from '../errors/error.ts'
import { isDigest } from '../oci/digest.ts'
import { isRecord, quoteUntrusted } from '../oci/text.ts'
import { cutMessage, findErrorReason, mostReportBytes, parseReportHead } from './report-text.ts'
import type { SignedFile, SignImageResult } from './sign-image.ts'

/** The reasons that a sign pod's report can carry; closed. Each failure is the code of the error that was the end of it. */
export const signReasons = [
  'Signed',
  'SigningKeyInvalid',
  'FilesToSignInvalid',
  'ModuleFileInvalid',
  'ImageNotFound',
  'ImageInvalid',
  'LimitExceeded',
  'ReferenceInvalid',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'ConfigurationInvalid',
  'OutOfSpace',
  'Aborted',
  'Unknown',
] as const satisfies readonly (ErrorCode | 'Signed' | 'Unknown')[]

export type SignReason = (typeof signReasons)[number]

/** What a sign pod tells about its work, in the termination message of its container. */
export interface SignReport {
  /** The version of this format. */
  v: 1
  outcome: 'ok' | 'failed'
  reason: SignReason
  /** What happened, why, and what to do about it. */
  message: string
  /** Digest of the signed image; absent where it was not to be pushed. */
  digest?: string
  /** Digest of the image that was signed. */
  sourceDigest?: string
  /** SHA-256 of the certificate, as in the image's label. */
  signedBy?: string
  files: SignedFile[]
  /** How many files were left out to keep the report small. */
  more?: number
}

const mostFiles = 256
const longestPath = 1024

/** The report of a run that signed, and pushed what it signed unless there is no digest. */
export function describeSigned(
  result: Pick<SignImageResult, 'files' | 'sourceDigest'> & { digest?: string },
  fingerprint: string,
): SignReport {
  const signed = result.files.filter(({ outcome }) => outcome === 'signed').length
  const kept = result.files.length - signed
  return {
    v: 1,
    outcome: 'ok',
    reason: 'Signed',
    message: `signed ${signed} of ${result.files.length} files${kept === 0 ? '' : ', the others carry this signature already'}`,
    ...(result.digest === undefined ? {} : { digest: result.digest }),
    sourceDigest: result.sourceDigest,
    signedBy: fingerprint,
    files: result.files,
  }
}

/** The report of a run that failed. */
export function describeFailure(error: unknown): SignReport {
  return {
    v: 1,
    outcome: 'failed',
    reason: findErrorReason(error, signReasons),
    message: describeError(error),
    files: [],
  }
}

/** Writes a report as JSON of at most 4,000 bytes: a long message is cut, then files are left out and counted in `more`. */
export function formatSignReport(report: SignReport): string {
  const short = { ...report, message: cutMessage(report.message), files: [...report.files] }
  let left = 0
  const write = (): string => JSON.stringify(left === 0 ? short : { ...short, more: left })
  while (Buffer.byteLength(write()) > mostReportBytes && short.files.length > 0) {
    const drop = Math.ceil(short.files.length / 10)
    short.files.length -= drop
    left += drop
  }
  return write()
}

/**
 * Reads a report from a container's termination message; undefined when it is none. Nothing in it is trusted: everything is
 * bounded, unknown fields are dropped, and an unknown reason is `Unknown`.
 */
export function parseSignReport(text: string): SignReport | undefined {
  const head = parseReportHead(text)
  if (head === undefined) return undefined
  const { outcome, message, fields } = head
  const names = readNames(fields)
  if (outcome === 'ok' && 'digest' in fields && names.digest === undefined) return undefined
  const reason = signReasons.find((each) => each === fields['reason']) ?? 'Unknown'
  return { v: 1, outcome, reason, message, ...names, ...readFiles(fields) }
}

function readFiles({ files, more }: Record<string, unknown>): Pick<SignReport, 'files' | 'more'> {
  return {
    files: Array.isArray(files) ? files.slice(0, mostFiles).flatMap(readFile) : [],
    ...(typeof more === 'number' && Number.isSafeInteger(more) && more > 0 ? { more } : {}),
  }
}

function readNames(document: Record<string, unknown>): Pick<SignReport, 'digest' | 'sourceDigest' | 'signedBy'> {
  const { digest, sourceDigest, signedBy } = document
  return {
    ...(typeof digest === 'string' && isDigest(digest) ? { digest } : {}),
    ...(typeof sourceDigest === 'string' && isDigest(sourceDigest) ? { sourceDigest } : {}),
    ...(typeof signedBy === 'string' && /^[0-9a-f]{64}$/.test(signedBy) ? { signedBy } : {}),
  }
}

function readFile(value: unknown): SignedFile[] {
  if (!isRecord(value) || typeof value['path'] !== 'string') return []
  const { outcome } = value
  if (outcome !== 'signed' && outcome !== 'alreadySigned') return []
  return [{ path: quoteUntrusted(value['path'], longestPath), outcome }]
}
