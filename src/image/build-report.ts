import { describeError, type ErrorCode, KmmError } from '../errors/error.ts'
import { isDigest } from '../oci/digest.ts'
import { isRecord, quoteUntrusted } from '../oci/text.ts'

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

/** The kubelet cuts termination messages at 4,096 bytes. */
const mostBytes = 4000
const mostInput = 16_384
const mostLogBytes = 2048
const longestText = 2000

/** The report of a build that worked; `digest` is that of the image that was pushed. */
export function describeBuilt(message: string, digest: string | undefined): BuildReport {
  return { v: 1, outcome: 'ok', reason: 'Built', message, ...(digest === undefined ? {} : { digest }) }
}

/** The report of a build that failed. */
export function describeBuildFailure(error: unknown): BuildReport {
  const log = error instanceof BuildError ? cutLog(error.log) : ''
  const common = { v: 1, outcome: 'failed', message: describeError(error) } as const
  return { ...common, reason: findReason(error), ...(log === '' ? {} : { log }) }
}

/** Writes a report as JSON of at most 4,000 bytes: a long message is cut, then the log loses its first lines. */
export function formatBuildReport(report: BuildReport): string {
  const short = { ...report, message: cutMessage(report.message) }
  if (report.log === undefined) return JSON.stringify(short)
  let log = cutLog(report.log)
  const write = (): string => JSON.stringify(log === '' ? { ...short, log: undefined } : { ...short, log })
  // Characters of JSON can take six times their place.
  while (log !== '' && Buffer.byteLength(write()) > mostBytes)
    log = keepEnd(log, Math.floor(Buffer.byteLength(log) * 0.9))
  return write()
}

/**
 * Reads a report from a container's termination message; undefined when it is none. Nothing in it is trusted: everything is
 * bounded, unknown fields are dropped, and an unknown reason is `Unknown`.
 */
export function parseBuildReport(text: string): BuildReport | undefined {
  const document = text.length > mostInput ? undefined : parseJson(text)
  if (!isRecord(document) || document['v'] !== 1) return undefined
  const { outcome, reason, message } = document
  if (outcome !== 'ok' && outcome !== 'failed') return undefined
  return {
    v: 1,
    outcome,
    reason: parseReason(reason),
    message: typeof message === 'string' ? quoteUntrusted(message, longestText) : '',
    ...(outcome === 'ok' ? readDigest(document) : readLog(document)),
  }
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

/** At most 1,000 characters of a message are kept, which leaves room for the log. */
function cutMessage(message: string): string {
  const plain = quoteUntrusted(message, 1000)
  return Buffer.byteLength(JSON.stringify(plain)) > 3000 ? `${plain.slice(0, 450)}…` : plain
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function parseReason(value: unknown): BuildReason {
  return buildReasons.find((reason) => reason === value) ?? 'Unknown'
}

function findReason(error: unknown): BuildReason {
  if (error instanceof BuildError) return error.reason
  if (error instanceof KmmError) return parseReason(error.code)
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'OutOfSpace'
  return error instanceof Error && error.name === 'AbortError' ? 'Aborted' : 'Unknown'
}
