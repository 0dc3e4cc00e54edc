import { describeError, type ErrorCode, KmmError } from '../errors/error.ts'
import { isDigest } from '../oci/digest.ts'
import { quoteUntrusted } from '../oci/text.ts'
import { cutMessage, findErrorReason, mostReportBytes, parseReportHead } from './report-text.ts'

/** The reasons that a build pod's report can carry; closed. */
export const buildReasons = [
  'Built',
  'BuildFailed',
  'BuilderUnavailable',
  'ImageNotFound',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'ImageInvalid',
  'ReferenceInvalid',
  'ConfigurationInvalid',
  'OutOfSpace',
  'Aborted',
  'Unknown',
] as const satisfies readonly (ErrorCode | 'Built' | 'BuildFailed' | 'BuilderUnavailable' | 'Unknown')[]

export type BuildReason = (typeof buildReasons)[number]

/** What a build pod tells about its work, in the termination message of its container. */
export interface BuildReport {
  /** The version of this format. */
  v: 1
  outcome: 'ok' | 'failed'
  reason: BuildReason
  /** What happened, why, and what to do about it. */
  message: string
  /** Digest of the image that was pushed; absent where none was. */
  digest?: string
  /** The end of what the builder printed, of a failure: lines of at most 2,048 bytes together. */
  log?: string
}

/** A failure of a build whose reason is known where it is thrown. */
export class BuildError extends KmmError {
  readonly reason: BuildReason
  /** The end of what the builder printed. */
  readonly log: string

  constructor(reason: BuildReason, message: string, options: { log?: string; cause?: unknown } = {}) {
    super(message, { code: codes[reason] ?? 'Internal', cause: options.cause })
    this.name = 'BuildError'
    this.reason = reason
    this.log = options.log ?? ''
  }
}

const codes: Partial<Record<BuildReason, ErrorCode>> = {
  ImageNotFound: 'ImageNotFound',
  RegistryUnauthorized: 'RegistryUnauthorized',
  RegistryUnreachable: 'RegistryUnreachable',
  ImageInvalid: 'ImageInvalid',
  ReferenceInvalid: 'ReferenceInvalid',
  ConfigurationInvalid: 'ConfigurationInvalid',
  OutOfSpace: 'OutOfSpace',
  Aborted: 'Aborted',
}

const mostLogBytes = 2048

/** The report of a build that worked; `digest` is that of the image that was pushed. */
export function describeBuilt(message: string, digest: string | undefined): BuildReport {
  return { v: 1, outcome: 'ok', reason: 'Built', message, ...(digest === undefined ? {} : { digest }) }
}

/** The report of a build that failed. */
export function describeBuildFailure(error: unknown): BuildReport {
  const log = error instanceof BuildError ? cutLog(error.log) : ''
  const common = { v: 1, outcome: 'failed', message: describeError(error) } as const
  return {
    ...common,
    reason: error instanceof BuildError ? error.reason : findErrorReason(error, buildReasons),
    ...(log === '' ? {} : { log }),
  }
}

/** Writes a report as JSON of at most 4,000 bytes: a long message is cut, then the log loses its first lines. */
export function formatBuildReport(report: BuildReport): string {
  const short = { ...report, message: cutMessage(report.message) }
  if (report.log === undefined) return JSON.stringify(short)
  let log = cutLog(report.log)
  const write = (): string => JSON.stringify(log === '' ? { ...short, log: undefined } : { ...short, log })
  // Characters of JSON can take six times their place.
  while (log !== '' && Buffer.byteLength(write()) > mostReportBytes)
    log = keepEnd(log, Math.floor(Buffer.byteLength(log) * 0.9))
  return write()
}

/**
 * Reads a report from a container's termination message; undefined when it is none. Nothing in it is trusted: everything is
 * bounded, unknown fields are dropped, and an unknown reason is `Unknown`.
 */
export function parseBuildReport(text: string): BuildReport | undefined {
  const head = parseReportHead(text)
  if (head === undefined) return undefined
  const { outcome, message, fields } = head
  const reason = buildReasons.find((each) => each === fields['reason']) ?? 'Unknown'
  return { v: 1, outcome, reason, message, ...(outcome === 'ok' ? readDigest(fields) : readLog(fields)) }
}

function readDigest({ digest }: Record<string, unknown>): Pick<BuildReport, 'digest'> {
  return typeof digest === 'string' && isDigest(digest) ? { digest } : {}
}

function readLog({ log }: Record<string, unknown>): Pick<BuildReport, 'log'> {
  const end = typeof log === 'string' ? cutLog(log) : ''
  return end === '' ? {} : { log: end }
}

/** Makes the end of a program's output fit for a report: whole lines where they fit, no control characters, 2,048 bytes. */
export function cutLog(text: string): string {
  const lines = text.split('\n').map((line) => quoteUntrusted(line, mostLogBytes).trimEnd())
  return keepEnd(lines.filter((line) => line !== '').join('\n'), mostLogBytes)
}

/** The last `bytes` of a text, from the beginning of a line where there is one. */
function keepEnd(text: string, bytes: number): string {
  const all = Buffer.from(text)
  if (all.length <= bytes) return text
  const cut = all.subarray(all.length - bytes)
  const start = all[all.length - bytes - 1] === 0x0a ? 0 : cut.indexOf(0x0a) + 1
  // Without a line's beginning, from that of a character: bytes 10xxxxxx continue one.
  const character = cut.findIndex((byte) => (byte & 0xc0) !== 0x80)
  return cut.subarray(start === 0 ? Math.max(character, 0) : start).toString('utf8')
}
