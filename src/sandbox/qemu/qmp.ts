import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import { KmmError } from '../../errors/error.ts'

interface Reply {
  id?: number
  return?: unknown
  error?: { desc: string }
}

/** QEMU's control channel (QEMU: docs/interop/qmp-spec.rst). */
export class QmpClient {
  readonly #channel: Duplex
  readonly #waiting = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>()
  #next = 1
  #closed: Error | undefined

  constructor(channel: Duplex) {
    this.#channel = channel
    const close = (): void => this.#close(new KmmError('QEMU has ended', { code: 'Unreachable' }))
    channel.on('close', close).on('error', close)
    const lines = createInterface({ input: channel })
    // It passes on the errors of the channel.
    lines.on('line', (line) => this.#take(JSON.parse(line) as Reply)).on('error', close)
    void this.execute('qmp_capabilities').catch(() => undefined)
  }

  /** Executes a command and answers what it returns. */
  execute<Answer>(command: string, options: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    const id = this.#next
    this.#next += 1
    return new Promise<Answer>((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closed)
      this.#waiting.set(id, { resolve: (answer) => resolve(answer as Answer), reject })
      this.#channel.write(`${JSON.stringify({ execute: command, arguments: options, id })}\n`)
    })
  }

  #take({ id, return: answer, error }: Reply): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id)
    if (id === undefined || waiting === undefined) return
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(answer)
    else waiting.reject(new KmmError(`QEMU refused a command: ${error.desc}`, { code: 'Internal' }))
  }

  #close(why: Error): void {
    this.#closed ??= why
    for (const { reject } of this.#waiting.values()) reject(this.#closed)
    this.#waiting.clear()
  }
}
