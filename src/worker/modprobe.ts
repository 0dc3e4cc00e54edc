import { spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { cleanText } from '../kmod/clean-text.ts'
import type { Host } from './host.ts'
import { readLines } from './read-lines.ts'

/** How modprobe ended. */
export interface ModprobeResult {
  /** Undefined when it was killed or could not be started. */
  status: number | undefined
  stdout: string
  stderr: string
  /** It still ran some seconds after the worker had been told to stop, and was killed. */
  killed: boolean
  durationMs: number
}

/** What running modprobe needs besides its arguments. */
export interface ModprobeContext {
  host: Host
  log: (line: string) => void
  signal: AbortSignal
  /** How long modprobe may go on when the worker is told to stop: the kernel does not like half a load. */
  graceMs: number
}

const maxLines = 1000
const maxLineLength = 2000

/** Runs modprobe with exactly these arguments, no shell between, and logs its lines as they come. Never rejects. */
export async function runModprobe(context: ModprobeContext, args: readonly string[]): Promise<ModprobeResult> {
  const { host, log, signal, graceMs } = context
  log(`Running: modprobe ${args.map(quoteArgument).join(' ')}`)
  const started = performance.now()
  const child = spawn(host.modprobePath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...host.modprobeEnvironment },
  })
  let killed = false
  let timer: NodeJS.Timeout | undefined
  const onStop = (): void => {
    timer = setTimeout(() => {
      killed = child.kill('SIGKILL')
    }, graceMs)
  }
  if (signal.aborted) onStop()
  else signal.addEventListener('abort', onStop, { once: true })
  const [stdout, stderr, end] = await Promise.all([
    collectLines(child.stdout, (line) => log(`modprobe: ${line}`)),
    collectLines(child.stderr, (line) => log(`modprobe (stderr): ${line}`)),
    new Promise<{ status: number | undefined; problem: string }>((resolve) => {
      child.once('error', (error) =>
        resolve({ status: undefined, problem: `modprobe could not be started: ${error.message}` }),
      )
      child.once('close', (code) => resolve({ status: code ?? undefined, problem: '' }))
    }),
  ])
  signal.removeEventListener('abort', onStop)
  clearTimeout(timer)
  const durationMs = Math.round(performance.now() - started)
  return { status: end.status, stdout, stderr: [stderr, end.problem].filter(Boolean).join('\n'), killed, durationMs }
}

/** Reads a stream by lines, without control characters, and keeps as many as a report can need. */
async function collectLines(stream: Readable, onLine: (line: string) => void): Promise<string> {
  const kept: string[] = []
  await readLines(stream, maxLineLength, (line) => {
    const clean = cleanText(line, maxLineLength)
    if (clean !== '') onLine(clean)
    kept.push(clean)
    if (kept.length > maxLines) kept.shift()
  })
  return kept.join('\n')
}

/** Writes an argument for a person, so that it can be pasted into a shell. */
function quoteArgument(argument: string): string {
  const clean = cleanText(argument, 500)
  return /^[\w@%+=:,./-]+$/.test(clean) ? clean : `'${clean.replaceAll("'", `'\\''`)}'`
}
