import { createWriteStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** Which part of a log is wanted; as the API's parameters of the same names. */
export interface LogSelection {
  follow: boolean
  timestamps: boolean
  tailLines?: number
  sinceSeconds?: number
  limitBytes?: number
}

const followMs = 100

/** The file of a container's log: one a restart, as on a real node. */
export function logFileOf(podFolder: string, container: string, restartCount: number): string {
  return join(podFolder, 'logs', `${container}.${restartCount}.log`)
}

/** Keeps what a process prints, each line with the time at which it came; resolves when both streams have ended. */
export async function keepLog(file: string, streams: readonly Readable[]): Promise<void> {
  const log = createWriteStream(file, { flags: 'a' })
  // What cannot be written is lost, and the process goes on.
  log.on('error', () => undefined)
  const keep = async (stream: Readable): Promise<void> => {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }))
      log.write(`${new Date().toISOString()} ${line}\n`)
  }
  await Promise.all(streams.map(keep))
  await new Promise((resolve) => log.end(resolve))
}

function select(
  lines: readonly string[],
  { timestamps, tailLines, sinceSeconds }: LogSelection,
  nowMs: number,
): string {
  const since = sinceSeconds === undefined ? '' : new Date(nowMs - sinceSeconds * 1_000).toISOString()
  const recent = lines.filter((line) => line >= since)
  const wanted = tailLines === undefined ? recent : recent.slice(Math.max(0, recent.length - tailLines))
  return wanted.map((line) => `${timestamps ? line : line.slice(line.indexOf(' ') + 1)}\n`).join('')
}

/** The whole lines of a log from a byte on, and where the next begins. */
async function readLines(file: string, from: number): Promise<{ lines: string[]; next: number }> {
  const { size } = await stat(file)
  if (size <= from) return { lines: [], next: from }
  const handle = await open(file)
  try {
    const { buffer } = await handle.read(Buffer.alloc(size - from), 0, size - from, from)
    const end = buffer.lastIndexOf(0x0a) + 1
    return { lines: buffer.toString('utf8', 0, end).split('\n').slice(0, -1), next: from + end }
  } finally {
    await handle.close()
  }
}

async function* followLog(file: string, selection: LogSelection, isRunning: () => boolean): AsyncGenerator<string> {
  let at = 0
  for (let first = true; ; first = false) {
    const running = isRunning()
    const { lines, next } = await readLines(file, at)
    at = next
    const text = select(lines, first ? selection : { ...selection, tailLines: lines.length }, Date.now())
    if (text !== '') yield text
    if (!running) return
    await sleep(followMs)
  }
}

/** A container's log as asked for; a stream when it is to be followed while the container runs. Undefined without a log. */
export async function readContainerLog(
  file: string,
  selection: LogSelection,
  isRunning: () => boolean,
): Promise<string | Readable | undefined> {
  const { lines } = await readLines(file, 0).catch(() => ({ lines: undefined }))
  if (lines === undefined) return undefined
  if (selection.follow) return Readable.from(followLog(file, selection, isRunning))
  const text = select(lines, selection, Date.now())
  return selection.limitBytes === undefined ? text : Buffer.from(text).subarray(0, selection.limitBytes).toString()
}

/** The kubelet takes this much of a log for a message: https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/ */
const endLines = 80
const endBytes = 2_048

/** The end of a container's log as the kubelet takes it for the message of one that failed without any. */
export async function readLogEnd(file: string): Promise<string> {
  const { lines } = await readLines(file, 0).catch(() => ({ lines: [] }))
  const text = Buffer.from(select(lines, { follow: false, timestamps: false, tailLines: endLines }, Date.now()))
  return text.subarray(Math.max(0, text.length - endBytes)).toString('utf8')
}
