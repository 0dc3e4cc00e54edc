import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { KmmError } from '../../errors/error.ts'
import type { Warden } from './warden.ts'

/** How a server is started. */
export interface ServerOptions {
  program: string
  argv: readonly string[]
  logFile: string
  warden: Warden
}

const lastLinesShown = 15
const graceMs = 10_000

/** One server of a control plane, as a process; what it prints goes to a file. */
export class ServerProcess {
  readonly name: string
  /** Rejects, with its last words, when the server ends without having been told to. */
  readonly failed: Promise<never>
  readonly #logFile: string
  readonly #child: ChildProcess
  readonly #exit: Promise<void>
  #stopping = false

  constructor({ program, argv, logFile, warden }: ServerOptions) {
    this.name = basename(program)
    this.#logFile = logFile
    const log = openSync(logFile, 'a')
    // In a group of its own: Ctrl-C in a terminal is for us, and we stop the servers in order.
    this.#child = spawn(program, argv, { stdio: ['ignore', log, log], detached: true, env: {} })
    closeSync(log)
    const { pid } = this.#child
    if (pid !== undefined) warden.watch(pid)
    const { promise, reject } = rejectable()
    this.failed = promise
    this.#exit = new Promise((resolve) => {
      const end = (how: string): void => {
        if (pid !== undefined) warden.forget(pid)
        if (!this.#stopping) reject(this.#describeEnd(how))
        resolve()
      }
      this.#child.once('error', (error) => end(error.message))
      this.#child.once('exit', (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`))
    })
  }

  /** The end of what it has printed, or where a panic began. */
  get lastLines(): string {
    const lines = readFileSync(this.#logFile, 'utf8').trimEnd().split('\n')
    const panic = lines.findLastIndex((line) => line.startsWith('panic: '))
    return (panic < 0 ? lines.slice(-lastLinesShown) : lines.slice(panic, panic + lastLinesShown)).join('\n')
  }

  async stop(): Promise<void> {
    this.#stopping = true
    const late = new AbortController()
    this.#child.kill('SIGTERM')
    const killing = sleep(graceMs, undefined, { signal: late.signal }).then(() => this.#child.kill('SIGKILL'))
    killing.catch(() => undefined)
    await this.#exit
    late.abort()
  }

  #describeEnd(how: string): KmmError {
    return new KmmError(`${this.name} ended by itself (${how}); its last words:\n${this.lastLines}`, {
      code: 'Internal',
      fate: 'terminal',
    })
  }
}

function rejectable(): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<never>((_, fail) => {
    reject = fail
  })
  // Nobody has to look.
  promise.catch(() => undefined)
  return { promise, reject }
}
