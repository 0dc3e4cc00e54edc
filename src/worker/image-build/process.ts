import { type ChildProcess, spawn } from 'node:child_process'
import { cleanText } from '../../kmod/clean-text.ts'
import { readLines } from '../read-lines.ts'

/** How a program ended. */
export interface ProgramEnd {
  /** Undefined when it was killed or could not be started. */
  status: number | undefined
  /** The last lines that it printed, of both its outputs, as they came. */
  lines: string[]
  /** The code of the system where it could not be started: `ENOENT`, `EACCES`. */
  startFailure: string | undefined
}

/** What running a program needs besides its arguments. */
export interface ProgramContext {
  program: string
  /** All of its environment. */
  environment: Readonly<Record<string, string>>
  folder: string
  log: (line: string) => void
  /** Ends it with all of its children: SIGTERM, and SIGKILL after `graceMs`. */
  signal: AbortSignal
  graceMs: number
}

/** What has left the group of the program may hold its outputs open for this long. */
const lateMs = 10_000
const longestLine = 2000
const mostLines = 400
/** A build that prints more than this goes on in silence. */
const mostLogged = 16 * 1024 * 1024

/** Runs a program, no shell between, and logs its lines as they come. Never rejects. */
export async function runProgram(context: ProgramContext, args: readonly string[]): Promise<ProgramEnd> {
  const { program, environment, folder, signal, graceMs } = context
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that what it has started can be ended with it.
    detached: true,
  })
  const lines = new LastLines(context.log)
  const finish = stopOnAbort(child, signal, graceMs)
  const outputs = [child.stdout, child.stderr]
  const read = Promise.all(outputs.map((stream) => readLines(stream, longestLine * 2, (line) => lines.add(line))))
  const end = await waitForEnd(child)
  finish()
  // What outlives it would hold on to its files and its outputs.
  killGroup(child, 'SIGKILL')
  const late = setTimeout(() => outputs.forEach((stream) => void stream.destroy()), lateMs)
  await read
  clearTimeout(late)
  return { ...end, lines: lines.kept }
}

function waitForEnd(child: ChildProcess): Promise<Pick<ProgramEnd, 'status' | 'startFailure'>> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: undefined, startFailure: error.code ?? error.message }),
    )
    child.once('exit', (code) => resolve({ status: code ?? undefined, startFailure: undefined }))
  })
}

function stopOnAbort(child: ChildProcess, signal: AbortSignal, graceMs: number): () => void {
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => {
    killGroup(child, 'SIGTERM')
    timer = setTimeout(() => killGroup(child, 'SIGKILL'), graceMs)
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  return () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nothing of it is left.
  }
}

/** Keeps the end of what was printed and logs it, the one and the other bounded. */
class LastLines {
  readonly kept: string[] = []
  readonly #log: (line: string) => void
  #logged = 0

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  add(text: string): void {
    const line = cleanText(text, longestLine)
    if (line === '') return
    this.kept.push(line)
    if (this.kept.length > mostLines) this.kept.shift()
    if (this.#logged > mostLogged) return
    this.#logged += line.length
    this.#log(this.#logged > mostLogged ? `More than ${mostLogged} bytes were printed; the rest is left out.` : line)
  }
}
