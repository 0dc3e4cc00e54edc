import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { type Frame, frameKind, splitPayload } from '../frames.ts'
import type { GuestEnd, GuestRequest } from '../requests.ts'
import { performPlain } from './plain-requests.ts'

/** Where user-mode network leads to the host's loopback. */
const hostAddress = '10.0.2.2'

/** Where frames come from and go to. */
interface Port {
  send(frame: Frame): Promise<void>
  receive(): AsyncIterable<Frame>
}

/** What a stream's later frames go to. */
interface Receiver {
  input?: { write(bytes: Buffer): unknown; end(): unknown }
  kill?: (signal: NodeJS.Signals) => void
}

/** Does what the host asks, many things at once; runs in the guest. */
export class GuestAgent {
  readonly #port: Port
  readonly #receivers = new Map<number, Receiver>()
  readonly #forwarded = new Set<number>()

  constructor(port: Port) {
    this.#port = port
  }

  /** Serves for ever. */
  async serve(): Promise<void> {
    for await (const frame of this.#port.receive()) this.#take(frame)
  }

  #take({ stream, kind, payload }: Frame): void {
    if (kind === frameKind.request) void this.#answer(stream, JSON.parse(payload.toString()) as GuestRequest)
    const { input, kill } = this.#receivers.get(stream) ?? {}
    if (kind === frameKind.input) input?.write(payload)
    if (kind === frameKind.inputEnd) input?.end()
    if (kind === frameKind.signal) kill?.(payload.toString() as NodeJS.Signals)
  }

  async #answer(stream: number, request: GuestRequest): Promise<void> {
    try {
      const answer = await this.#perform(stream, request)
      await this.#sendJson(stream, frameKind.answer, answer ?? null)
    } catch (error) {
      const { code = 'EIO', message } = error as NodeJS.ErrnoException
      await this.#sendJson(stream, frameKind.failure, { code, message })
    } finally {
      this.#receivers.delete(stream)
    }
  }

  #perform(stream: number, request: GuestRequest): Promise<unknown> {
    switch (request.op) {
      case 'run':
        return this.#run(stream, request)
      case 'read':
        return this.#pass(stream, frameKind.output, createReadStream(request.path))
      case 'write':
        return this.#write(stream, request)
      case 'forward':
        return this.#forward(request.port)
      default:
        return performPlain(request)
    }
  }

  async #run(stream: number, { argv, env, cwd }: GuestRequest & { op: 'run' }): Promise<GuestEnd> {
    const [program = '', ...rest] = argv
    // A group of its own, so that a kill reaches what the program has started.
    const child: ChildProcessWithoutNullStreams = spawn(program, rest, {
      cwd: cwd ?? '/',
      env: env ?? process.env,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => undefined)
    this.#receivers.set(stream, { input: child.stdin, kill: (signal) => signalGroup(child, signal) })
    const ended = new Promise<GuestEnd>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ exitCode: code ?? 128, ...(signal === null ? {} : { signal }) }))
    })
    const output = Promise.all([
      this.#pass(stream, frameKind.output, child.stdout),
      this.#pass(stream, frameKind.errorOutput, child.stderr),
    ])
    // What could not be started has no output that ends.
    output.catch(() => undefined)
    const end = await ended
    await output
    return end
  }

  async #pass(stream: number, kind: number, from: Readable): Promise<void> {
    for await (const chunk of from)
      for (const payload of splitPayload(chunk as Buffer)) await this.#port.send({ stream, kind, payload })
  }

  async #write(stream: number, { path, mode = 0o644 }: GuestRequest & { op: 'write' }): Promise<void> {
    const temporary = `${path}.new-${stream}`
    const bytes = this.#collectInput(stream)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(temporary, await bytes, { mode })
    // The process's mask does not count.
    await chmod(temporary, mode)
    await rename(temporary, path).catch(async (error: unknown) => {
      await rm(temporary, { force: true })
      throw error
    })
  }

  #collectInput(stream: number): Promise<Buffer> {
    const chunks: Buffer[] = []
    return new Promise((resolve) => {
      const write = (chunk: Buffer): void => void chunks.push(chunk)
      this.#receivers.set(stream, { input: { write, end: () => resolve(Buffer.concat(chunks)) } })
    })
  }

  #forward(port: number): Promise<void> {
    if (this.#forwarded.has(port)) return Promise.resolve()
    this.#forwarded.add(port)
    const server = createServer((near) => {
      const far = connect(port, hostAddress)
      near.pipe(far).pipe(near)
      near.on('error', () => far.destroy())
      far.on('error', () => near.destroy())
    })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  }

  #sendJson(stream: number, kind: number, value: unknown): Promise<void> {
    return this.#port.send({ stream, kind, payload: Buffer.from(JSON.stringify(value)) })
  }
}

function signalGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    // Being killed is for all of it, being told to stop for the program alone, as with containers.
    process.kill(signal === 'SIGKILL' ? -pid : pid, signal)
  } catch {
    // It has ended by itself.
  }
}
