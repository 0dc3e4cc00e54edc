import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describeError, KmmError } from '../../errors/error.ts'
import { withDeadline } from '../../kube/deadline.ts'
import type { GuestProcess } from './agent-client.ts'
import type { GuestRunResult, MachineOptions, RunOptions } from './machine-options.ts'
import {
  buildArguments,
  copyWritableFiles,
  hashParts,
  type MachineParts,
  makeWritableFiles,
  prepareParts,
  writeBootFiles,
} from './machine-parts.ts'
import { provideFolder } from './provide.ts'
import { QemuProcess } from './qemu-process.ts'
import type { GuestEnd, GuestModule, GuestPathKind } from './requests.ts'
import { goOn, openSaved, saveState } from './saved-state.ts'

const defaultBootMs = 180_000
const wakeMs = 60_000

const traceFile = '/sys/kernel/tracing/trace'
const traceMs = 5_000

/** A QEMU machine with a stock Debian kernel, and an agent in it that does what it is asked. */
export class Machine {
  readonly name: string
  readonly folder: string
  readonly #options: MachineOptions
  readonly #forwarded = new Set<number>()
  #parts: MachineParts
  #process: QemuProcess | undefined
  #bootId = ''

  /** Use `startMachine`. */
  constructor(options: MachineOptions, parts: MachineParts, folder: string) {
    this.name = options.name
    this.folder = folder
    this.#options = options
    this.#parts = parts
  }

  /** `uname -r`. */
  get release(): string {
    return this.#parts.kernel.release
  }

  /** As `/proc/sys/kernel/random/boot_id` in the guest says; a new one after each start. */
  get bootId(): string {
    return this.#bootId
  }

  get isOn(): boolean {
    return this.#process?.hasEnded === false
  }

  /** What the guest has printed on its console since it was started, the last 64 KB of it. */
  get console(): string {
    return this.#process?.console ?? ''
  }

  /** Runs a program to its end. Its exit status is an answer, not an error; that it could not be started is one. */
  async run(argv: readonly string[], options: RunOptions = {}): Promise<GuestRunResult> {
    const { stdin, timeoutMs, signal } = options
    const running = this.start(argv, options)
    const given = signal ? [signal] : []
    const limit = timeoutMs === undefined ? AbortSignal.any(given) : withDeadline(timeoutMs, ...given)
    const kill = (): void => running.signal('SIGKILL')
    limit.addEventListener('abort', kill, { once: true })
    if (limit.aborted) kill()
    if (stdin !== undefined) running.write(stdin)
    running.end()
    const collect = async (stream: AsyncIterable<Buffer>): Promise<Buffer> => {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
    try {
      const [end, stdout, stderr] = await Promise.all([
        running.answer,
        collect(running.output),
        collect(running.errorOutput),
      ])
      if (limit.aborted) throw this.#describeStopped(argv, options, stderr)
      return { exitCode: end.exitCode, stdout, stderr }
    } finally {
      limit.removeEventListener('abort', kill)
    }
  }

  /** Starts a program; it goes on until it ends by itself, gets a signal, or the machine ends. */
  start(argv: readonly string[], { env, cwd }: Pick<RunOptions, 'env' | 'cwd'> = {}): GuestProcess {
    return this.#agent.open<GuestEnd>({ op: 'run', argv, ...(env && { env }), ...(cwd !== undefined && { cwd }) })
  }

  /** Runs a program that must succeed; answers what it printed. */
  async runChecked(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(argv, options)
    if (exitCode === 0) return stdout.toString()
    const words = `${stderr.toString()}${stdout.toString()}`.trim() || 'it printed nothing'
    throw new KmmError(`machine ${this.name}: ${argv.join(' ')} ended with status ${exitCode}: ${words}`, {
      code: 'Internal',
    })
  }

  /** Fails with `NotFound` where there is no such file. */
  async readFile(path: string): Promise<Buffer> {
    const stream = this.#agent.open({ op: 'read', path })
    stream.errorOutput.resume()
    const chunks: Buffer[] = []
    stream.output.on('data', (chunk: Buffer) => chunks.push(chunk))
    await stream.answer
    return Buffer.concat(chunks)
  }

  /** Writes a file, making its folders; it appears under its name when it is whole. */
  async writeFile(path: string, content: Buffer | string, mode = 0o644): Promise<void> {
    const stream = this.#agent.open({ op: 'write', path, mode })
    stream.output.resume()
    stream.errorOutput.resume()
    stream.write(Buffer.from(content))
    stream.end()
    await stream.answer
  }

  /** Names in a folder. Fails with `NotFound` where there is none. */
  async list(path: string): Promise<string[]> {
    return this.#agent.ask({ op: 'list', path })
  }

  /** What a path is, links followed. Fails with `NotFound` where there is nothing. */
  async stat(path: string): Promise<GuestPathKind> {
    return this.#agent.ask({ op: 'stat', path })
  }

  /** Makes a folder and those above it. */
  async makeFolder(path: string): Promise<void> {
    await this.#agent.ask({ op: 'makeFolder', path })
  }

  /** Removes a file or a folder with everything in it, if it is there. */
  async remove(path: string): Promise<void> {
    await this.#agent.ask({ op: 'remove', path })
  }

  /** What is loaded into its kernel, by name: everything, or the modules of these names and those that are out of tree. */
  async modules(names?: readonly string[]): Promise<GuestModule[]> {
    return this.#agent.ask({ op: 'modules', ...(names && { names }) })
  }

  /** What the kernel has said since it booted, without times and levels. */
  async dmesg(): Promise<string[]> {
    const printed = await this.runChecked(['dmesg'])
    return printed
      .split('\n')
      .filter(Boolean)
      .map((line) => line.replace(/^\[\s*\d+\.\d+\] /, ''))
  }

  /** Makes 127.0.0.1:port in the guest lead to the same port of this computer's loopback, also after reboots. */
  async forward(port: number): Promise<void> {
    this.#forwarded.add(port)
    if (this.isOn) await this.#agent.ask({ op: 'forward', port })
  }

  /** Leaves everything as it is written on the disks and ends; `kill` is a power cut. Its folder stays. */
  async powerOff(how: 'orderly' | 'kill' = 'orderly'): Promise<void> {
    if (this.isOn) await this.#reportModules()
    if (how === 'orderly' && this.isOn) await this.run(['sync'], { timeoutMs: wakeMs }).catch(() => undefined)
    await this.#process?.kill()
    this.#process = undefined
  }

  /** Boots, into another kernel if one is named: a real boot, whose boot ID is the kernel's own. */
  async powerOn(release: string = this.release): Promise<void> {
    if (this.isOn) return
    if (release !== this.release) this.#parts = await prepareParts(this.#options, release)
    const start = { options: this.#options, parts: this.#parts, folder: this.folder }
    await writeBootFiles(start)
    await this.#comeUp(new QemuProcess(this.name, buildArguments(start)), 'boot')
  }

  /** Ends and boots again. */
  async reboot(options: { release?: string; how?: 'orderly' | 'kill' } = {}): Promise<void> {
    await this.powerOff(options.how)
    await this.powerOn(options.release)
  }

  /** Ends it and removes its folder. */
  async stop(): Promise<void> {
    await this.powerOff('kill')
    await rm(this.folder, { recursive: true, force: true })
  }

  /** Writes the state of the running machine and its disks into a folder, and ends it. */
  async save(folder: string): Promise<void> {
    const running = this.#running()
    await this.runChecked(['sync'])
    await saveState(running.qmp, folder)
    await copyWritableFiles(this.#options, this.folder, folder)
    await this.powerOff('kill')
  }

  /**
   * Goes on from a saved machine. Its kernel is the saved one's continued: clock, random numbers and boot ID are made new,
   * the last by mounting another over it, so it is no boot that the kernel knows of.
   */
  async restore(folder: string): Promise<void> {
    const start = { options: this.#options, parts: this.#parts, folder: this.folder }
    await writeBootFiles(start)
    await copyWritableFiles(this.#options, folder, this.folder)
    const state = await openSaved(folder)
    try {
      await this.#comeUp(new QemuProcess(this.name, buildArguments(start), state), 'restore')
    } finally {
      await state.close()
    }
  }

  /** Tells what the kernel's trace says of modules; a machine that is stuck says nothing. */
  async #reportModules(): Promise<void> {
    const { report } = this.#options
    if (report === undefined || this.#bootId === '') return
    const trace = await Promise.race([this.readFile(traceFile), sleep(traceMs, Buffer.alloc(0), { ref: false })])
      .then(String)
      .catch(() => '')
    for (const [, action, module = ''] of trace.matchAll(/ module_(load|free): (\S+)/g))
      report({ what: action === 'load' ? 'inserted' : 'removed', release: this.release, module })
  }

  get #agent() {
    return this.#running().agent
  }

  #running(): QemuProcess {
    if (this.#process !== undefined) return this.#process
    throw new KmmError(`machine ${this.name} is off`, { code: 'Unreachable' })
  }

  #describeStopped(argv: readonly string[], { timeoutMs, signal }: RunOptions, stderr: Buffer): KmmError {
    const said = `${stderr.toString().slice(-1_000)}\n${this.console.slice(-2_000)}`.trim()
    const why = signal?.aborted ? 'was stopped' : `did not end within ${(timeoutMs ?? 0) / 1_000} s`
    return new KmmError(`machine ${this.name}: ${argv.join(' ')} ${why}; last words:\n${said}`, {
      code: signal?.aborted ? 'Aborted' : 'TimedOut',
    })
  }

  async #comeUp(running: QemuProcess, how: 'boot' | 'restore'): Promise<void> {
    this.#process = running
    const timeoutMs = how === 'boot' ? (this.#options.bootTimeoutMs ?? defaultBootMs) : wakeMs
    const finished = new AbortController()
    const limit = this.#waitLimit(running, timeoutMs, finished.signal)
    try {
      await Promise.race([this.#greet(running, how), limit])
    } catch (error) {
      const words = [running.said, running.console.slice(-3_000).trim()].filter(Boolean).join('\n')
      await this.powerOff('kill')
      throw new KmmError(
        `machine ${this.name} with kernel ${this.release} did not ${how}: ${describeError(error)}; its console's last words:\n${words || '(none)'}`,
        { code: this.#options.signal?.aborted ? 'Aborted' : 'TimedOut', cause: error },
      )
    } finally {
      finished.abort()
    }
  }

  /** Rejects when the machine has ended, takes too long, or is not wanted any more. */
  async #waitLimit(running: QemuProcess, timeoutMs: number, finished: AbortSignal): Promise<never> {
    const either = AbortSignal.any([finished, ...(this.#options.signal ? [this.#options.signal] : [])])
    const waited = sleep(timeoutMs, `it took longer than ${timeoutMs / 1_000} s`, { signal: either, ref: false })
    const ended = running.ended.then((status) => `QEMU ended with ${status}`)
    throw new Error(await Promise.race([waited.catch(() => 'it was stopped'), ended]))
  }

  async #greet(running: QemuProcess, how: 'boot' | 'restore'): Promise<void> {
    if (how === 'restore') await goOn(running.qmp)
    await running.agent.ask({ op: 'hello' })
    if (how === 'restore') {
      const seconds = String(Math.round(Date.now() / 1_000))
      await this.runChecked(['/run/kmm/wake.sh', seconds, randomUUID()], { stdin: randomBytes(64) })
    }
    this.#bootId = (await this.readFile('/proc/sys/kernel/random/boot_id')).toString().trim()
    for (const port of this.#forwarded) await this.forward(port)
    this.#options.report?.({ what: how === 'boot' ? 'booted' : 'restored', release: this.release })
  }
}

async function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'kmm-machine-'))
}

/** Boots a machine with a new data disk. */
async function bootMachine(options: MachineOptions, parts: MachineParts): Promise<Machine> {
  const machine = new Machine(options, parts, await makeFolder())
  try {
    await makeWritableFiles(options, machine.folder)
    await machine.powerOn()
    return machine
  } catch (error) {
    await machine.stop()
    throw error
  }
}

async function makeSaved(options: MachineOptions, parts: MachineParts, folder: string): Promise<void> {
  options.progress?.(`Booting a machine with kernel ${parts.kernel.release} to be saved, once …`)
  const machine = await bootMachine(options, parts)
  try {
    await options.saved?.prepare?.(machine)
    await machine.save(folder)
  } finally {
    await machine.stop()
  }
}

async function restoreMachine(options: MachineOptions, parts: MachineParts, saved: string): Promise<Machine> {
  const machine = new Machine(options, parts, await makeFolder())
  try {
    await machine.restore(saved)
    return machine
  } catch (error) {
    await machine.stop()
    throw error
  }
}

/**
 * Starts a machine: boots it, or goes on from the saved one that equals it in everything. Fails with
 * `ConfigurationInvalid` when this computer lacks something, and with the console's last words when it does not come up.
 */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const parts = await prepareParts(options, options.release)
  if (options.saved === undefined) return bootMachine(options, parts)
  const folder = join(options.cache, 'machines', hashParts(options, parts))
  const provide = (): Promise<string> => provideFolder(folder, (temporary) => makeSaved(options, parts, temporary))
  try {
    return await restoreMachine(options, parts, await provide())
  } catch (error) {
    if (options.signal?.aborted) throw error
    // A saved machine that cannot go on is of no use to anybody.
    options.progress?.(`The saved machine cannot be used, it is made anew: ${describeError(error)}`)
    await rm(folder, { recursive: true, force: true })
    return restoreMachine(options, parts, await provide())
  }
}
