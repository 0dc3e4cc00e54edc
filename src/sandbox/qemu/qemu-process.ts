import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { FileHandle } from 'node:fs/promises'
import type { Duplex } from 'node:stream'
import { AgentClient } from './agent-client.ts'
import { QmpClient } from './qmp.ts'
import { agentPortName } from './requests.ts'

/** The file descriptors that QEMU gets from us, one end each of a pair of sockets, and the file of a saved machine. */
const descriptors = { control: 3, agent: 4, console: 5, saved: 6 } as const

const consoleCharacters = 64 * 1_024

/** The arguments of the channels that every machine has. */
export function buildChannelArguments(): string[] {
  const socket = (id: keyof typeof descriptors): string[] => ['-chardev', `socket,id=${id},fd=${descriptors[id]}`]
  return [
    socket('control'),
    ['-mon', 'chardev=control,mode=control'],
    socket('console'),
    ['-serial', 'chardev:console'],
    socket('agent'),
    ['-device', 'virtio-serial-pci', '-device', `virtserialport,chardev=agent,name=${agentPortName}`],
  ].flat()
}

/** One run of QEMU: it ends with the process that has started it, however that ends. */
export class QemuProcess {
  readonly qmp: QmpClient
  readonly agent: AgentClient
  /** Resolves when QEMU has ended, with its status in words. */
  readonly ended: Promise<string>
  readonly #child: ChildProcess
  #hasEnded = false
  #console = ''
  #said = ''

  /** `saved`: an open file with the state of a saved machine, to go on from there. */
  constructor(machine: string, argv: readonly string[], saved?: FileHandle) {
    const incoming = saved === undefined ? [] : ['-incoming', `fd:${descriptors.saved}`]
    // The kernel kills QEMU when we die, also of SIGKILL.
    const wrapped = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...argv, ...incoming]
    this.#child = spawn('setpriv', wrapped, {
      stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', ...(saved === undefined ? [] : [saved.fd])],
    })
    const channel = (id: keyof typeof descriptors): Duplex =>
      (this.#child.stdio as readonly unknown[])[descriptors[id]] as Duplex
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-4_000)))
    channel('console').on('data', (chunk: Buffer) => {
      this.#console = (this.#console + chunk.toString()).slice(-consoleCharacters)
    })
    channel('console').on('error', () => undefined)
    this.qmp = new QmpClient(channel('control'))
    const agent = channel('agent')
    // QEMU holds the other end: who is told that the channel is gone must find the machine off.
    for (const event of ['close', 'error']) agent.once(event, () => (this.#hasEnded = true))
    this.agent = new AgentClient(machine, agent)
    this.ended = this.#watchEnd()
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** What the guest has printed on its console, the last of it. */
  get console(): string {
    return this.#console.replaceAll('\r', '')
  }

  /** What QEMU itself has complained about. */
  get said(): string {
    return this.#said.trim()
  }

  /** Ends it this instant, as when the power goes, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  async #watchEnd(): Promise<string> {
    const failed = once(this.#child, 'error').then(([error]) => (error as Error).message)
    const closed = once(this.#child, 'close').then(
      ([code, signal]) => `status ${(code as number | null) ?? (signal as string)}`,
    )
    const how = await Promise.race([failed, closed])
    this.#hasEnded = true
    this.agent.close(new Error(`QEMU has ended with ${how}`))
    return how
  }
}
