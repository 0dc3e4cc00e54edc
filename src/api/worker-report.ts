import { parseReportReason, type ReportReason, reportReasons } from '../errors/reason.ts'

/** A module that was in the kernel when the worker ended. */
export interface ReportedModule {
  name: string
  /** Absent where the module has none. */
  srcversion?: string
  /** How many users it had. */
  refcnt?: number
}

/** What a worker tells about its work, in the termination message of its container. */
export interface WorkerReport {
  /** The version of this format. */
  v: 1
  bootID: string
  kernel: string
  action: 'load' | 'unload'
  outcome: 'ok' | 'failed'
  /** The wanted modules were in the kernel before. */
  alreadyLoaded: boolean
  reason: ReportReason
  /** What happened, why, and what to do about it. */
  message: string
  modules: ReportedModule[]
  /** How many modules were left out to keep the report small. */
  more?: number
  durationsMs: { pull?: number; extract?: number; modprobe?: number }
}

/** The greatest length of a formatted report, in bytes of UTF-8. The kubelet cuts at 4,096. */
export const maxReportBytes = 4000

const maxInputLength = 16_384
const maxRawLength = 1000
const maxMessageLength = 4000
const maxNameLength = 128
const maxModules = 256
/** The message is cut to this before module entries are left out, and below it only after that. */
const keptMessageLength = 200

const byteLength = (text: string): number => Buffer.byteLength(text, 'utf8')

// Control characters other than line breaks and tabs, which terminals would act upon, and halves of characters.
// oxlint-disable-next-line no-control-regex
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]|\p{Surrogate}/gu

function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  return `${text.slice(0, Math.max(0, length - 1)).replace(/[\ud800-\udbff]$/, '')}…`
}

function readText(value: unknown, length: number): string {
  return typeof value === 'string' ? cutText(value.replace(unprintable, ' '), length) : ''
}

function readCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function readModule(value: unknown): ReportedModule[] {
  if (!isObject(value) || typeof value.name !== 'string') return []
  const refcnt = readCount(value.refcnt)
  return [
    {
      name: readText(value.name, maxNameLength),
      ...(typeof value.srcversion === 'string' ? { srcversion: readText(value.srcversion, maxNameLength) } : {}),
      ...(refcnt === undefined ? {} : { refcnt }),
    },
  ]
}

function readDurations(value: unknown): WorkerReport['durationsMs'] {
  const durations: WorkerReport['durationsMs'] = {}
  if (!isObject(value)) return durations
  for (const step of ['pull', 'extract', 'modprobe'] as const) {
    const duration = value[step]
    if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) durations[step] = duration
  }
  return durations
}

function unknownReport(text: string): WorkerReport {
  return {
    v: 1,
    bootID: '',
    kernel: '',
    action: 'load',
    outcome: 'failed',
    alreadyLoaded: false,
    reason: 'Unknown',
    message: readText(text, maxRawLength),
    modules: [],
    durationsMs: {},
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function readReport(value: Record<string, unknown>, text: string): WorkerReport {
  const known = reportReasons.some((reason) => reason === value.reason)
  const listed = Array.isArray(value.modules) ? value.modules : []
  const modules = listed.slice(0, maxModules).flatMap(readModule)
  const more = (readCount(value.more) ?? 0) + Math.max(0, listed.length - maxModules)
  return {
    v: 1,
    bootID: readText(value.bootID, maxNameLength),
    kernel: readText(value.kernel, maxNameLength),
    action: value.action === 'unload' ? 'unload' : 'load',
    outcome: value.outcome === 'ok' ? 'ok' : 'failed',
    alreadyLoaded: value.alreadyLoaded === true,
    reason: parseReportReason(value.reason),
    message: known ? readText(value.message, maxMessageLength) : readText(text, maxRawLength),
    modules,
    ...(more === 0 ? {} : { more }),
    durationsMs: readDurations(value.durationsMs),
  }
}

/**
 * Reads a worker's report from a container's termination message. Nothing in it is trusted: every string and list is
 * bounded, and unknown fields are dropped.
 *
 * Undefined when the text is no report at all (empty, or something that another program wrote). A text that begins like
 * a report and is cut, malformed, of another version or action is a failed report with the reason `Unknown`, no boot ID
 * and the raw text as its message; an unknown reason alone becomes `Unknown` with the raw text, the rest is kept.
 */
export function parseWorkerReport(text: string): WorkerReport | undefined {
  if (!text.trimStart().startsWith('{')) return undefined
  const value = text.length > maxInputLength ? undefined : parseJson(text)
  if (!isObject(value) || value.v !== 1) return unknownReport(text)
  if (value.action !== 'load' && value.action !== 'unload') return unknownReport(text)
  if (value.outcome !== 'ok' && value.outcome !== 'failed') return unknownReport(text)
  return readReport(value, text)
}

const fits = (report: WorkerReport): boolean => byteLength(JSON.stringify(report)) <= maxReportBytes

/** The greatest number of 0 … `most` that `test` holds for, where it holds for all smaller ones; 0 if for none. */
function findGreatest(most: number, test: (count: number) => boolean): number {
  let low = 0
  let high = most
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (test(middle)) low = middle
    else high = middle - 1
  }
  return low
}

function cutMessage(report: WorkerReport, least: number): WorkerReport {
  const cutTo = (length: number): WorkerReport => ({ ...report, message: cutText(report.message, length) })
  if (fits(report)) return report
  const length = findGreatest(report.message.length, (count) => fits(cutTo(count)))
  return cutTo(Math.max(length, Math.min(least, report.message.length)))
}

function cutModules(report: WorkerReport): WorkerReport {
  if (fits(report)) return report
  const all = report.modules.length
  const keep = (count: number): WorkerReport => ({
    ...report,
    modules: report.modules.slice(0, count),
    more: (report.more ?? 0) + all - count,
  })
  return keep(findGreatest(all - 1, (count) => fits(keep(count))))
}

/**
 * Writes a report as JSON of at most 4,000 bytes: too long a message is cut first, then module entries are left out and
 * counted in `more`. The reason is never cut.
 */
export function formatWorkerReport(report: WorkerReport): string {
  const bounded = {
    ...report,
    bootID: cutText(report.bootID, maxNameLength),
    kernel: cutText(report.kernel, maxNameLength),
  }
  return JSON.stringify(cutMessage(cutModules(cutMessage(bounded, keptMessageLength)), 0))
}
