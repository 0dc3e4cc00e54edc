import { appendFileSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { KmmError } from '../../errors/error.ts'
import type { KernelState } from './state.ts'

const lockTimeoutMs = 10_000
const lockPauseMs = 2

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined

function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** The file of one virtual kernel's state, shared between processes: replaced whole, changed only under a lock. */
export class KernelStore {
  readonly #folder: string
  readonly #lock: string
  readonly #state: string

  constructor(nodeRoot: string) {
    this.#folder = join(nodeRoot, 'kernel')
    this.#lock = join(this.#folder, 'lock')
    this.#state = join(this.#folder, 'state.json')
  }

  /** Begins with a state; whatever was there is forgotten. */
  create(state: KernelState): void {
    mkdirSync(this.#folder, { recursive: true })
    this.#write(state)
  }

  read(): KernelState {
    return JSON.parse(readFileSync(this.#state, 'utf8')) as KernelState
  }

  /** Runs `change` on the state while nobody else does, and keeps what it left there. It must not wait for anything. */
  update<T>(change: (state: KernelState) => T): T {
    this.#acquire()
    try {
      const state = this.read()
      const result = change(state)
      this.#write(state)
      return result
    } finally {
      rmSync(this.#lock, { force: true })
    }
  }

  /** Appends lines to the kernel's log. */
  log(lines: readonly string[]): void {
    if (lines.length > 0) appendFileSync(join(this.#folder, 'dmesg'), lines.map((line) => `${line}\n`).join(''))
  }

  /** The kernel's log since the last boot. */
  readLog(): string[] {
    return this.#readOrEmpty(join(this.#folder, 'dmesg')).split('\n').slice(0, -1)
  }

  clearLog(): void {
    rmSync(join(this.#folder, 'dmesg'), { force: true })
  }

  #write(state: KernelState): void {
    const temporary = `${this.#state}.${process.pid}`
    writeFileSync(temporary, JSON.stringify(state))
    renameSync(temporary, this.#state)
  }

  #readOrEmpty(path: string): string {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return ''
    }
  }

  #acquire(): void {
    for (let waited = 0; waited < lockTimeoutMs; waited += lockPauseMs) {
      if (this.#tryAcquire()) return
      this.#breakStaleLock()
      pause(lockPauseMs)
    }
    throw new KmmError(`the state of the virtual kernel in ${this.#folder} stays locked`, { code: 'Internal' })
  }

  #tryAcquire(): boolean {
    const mine = `${this.#lock}.${process.pid}`
    writeFileSync(mine, String(process.pid))
    try {
      linkSync(mine, this.#lock)
      return true
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false
      throw error
    } finally {
      rmSync(mine, { force: true })
    }
  }

  /** A modprobe that was killed leaves its lock behind. */
  #breakStaleLock(): void {
    const owner = Number(this.#readOrEmpty(this.#lock))
    if (owner === 0 || isAlive(owner)) return
    const aside = `${this.#lock}.stale.${process.pid}`
    try {
      renameSync(this.#lock, aside)
      // Somebody may have broken it before us and hold it now: then it goes back.
      if (Number(this.#readOrEmpty(aside)) !== owner) linkSync(aside, this.#lock)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'EEXIST') throw error
    } finally {
      rmSync(aside, { force: true })
    }
  }
}
