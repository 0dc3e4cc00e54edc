import type { Duplex } from 'node:stream'
import { PassThrough, type Readable } from 'node:stream'
import { KmmError } from '../../errors/error.ts'
import { encodeFrame, type Frame, FrameReader, frameKind, type GuestFailure, splitPayload } from './frames.ts'
import type { GuestEnd, GuestRequest } from './requests.ts'

/** Something that the guest's system refused; `errno` is Node's code, such as ENOENT. */
export class GuestError extends KmmError {
  readonly errno: string

  constructor(machine: string, { code, message }: GuestFailure) {
    super(`machine ${machine}: ${message}`, { code: code === 'ENOENT' ? 'NotFound' : 'Internal' })
    this.errno = code
  }
}

/** A request under way. */
export interface GuestStream<Answer> {
  readonly output: Readable
  readonly errorOutput: Readable
  readonly answer: Promise<Answer>
  write(bytes: Buffer): void
  end(): void
  signal(name: NodeJS.Signals): void
}

/** A program that runs in the guest. */
export type GuestProcess = GuestStream<GuestEnd>

interface OpenStream {
  output: PassThrough
  errorOutput: PassThrough
  resolve(answer: unknown): void
  reject(error: Error): void
}

/** The host's end of the channel to the agent of one machine. */
export class AgentClient {
  readonly #machine: string
  readonly #channel: Duplex
  readonly #reader = new FrameReader()
  readonly #streams = new Map<number, OpenStream>()
  #next = 1
  #closed: Error | undefined

  constructor(machine: string, channel: Duplex) {
    this.#machine = machine
    this.#channel = channel
    channel.on('data', (bytes: Buffer) => {
      for (const frame of this.#reader.push(bytes)) this.#take(frame)
    })
    channel.on('error', (error) => this.close(error))
    channel.on('close', () => this.close(new Error('the channel to the guest is closed')))
  }

  /** Opens a request; nothing of its output is lost, and none of it needs to be read. */
  open<Answer>(request: GuestRequest): GuestStream<Answer> {
    const stream = this.#next
    this.#next += 1
    const output = new PassThrough()
    const errorOutput = new PassThrough()
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#streams.set(stream, { output, errorOutput, resolve, reject })
      if (this.#closed !== undefined) this.#fail(stream, this.#closed)
    })
    this.#send({ stream, kind: frameKind.request, payload: Buffer.from(JSON.stringify(request)) })
    const send = (kind: number, payload: Buffer): void => this.#send({ stream, kind, payload })
    return {
      output,
      errorOutput,
      answer: answer as Promise<Answer>,
      write: (bytes) => {
        for (const piece of splitPayload(bytes)) send(frameKind.input, piece)
      },
      end: () => send(frameKind.inputEnd, Buffer.alloc(0)),
      signal: (name) => send(frameKind.signal, Buffer.from(name)),
    }
  }

  /** Makes a request that has no input and whose output nobody wants. */
  async ask<Answer>(request: GuestRequest): Promise<Answer> {
    const stream = this.open<Answer>(request)
    stream.output.resume()
    stream.errorOutput.resume()
    return stream.answer
  }

  /** Fails everything that is under way. */
  close(why: Error): void {
    this.#closed ??= why
    for (const stream of this.#streams.keys()) this.#fail(stream, this.#closed)
  }

  #take({ stream, kind, payload }: Frame): void {
    const open = this.#streams.get(stream)
    if (open === undefined) return
    if (kind === frameKind.output) open.output.write(payload)
    if (kind === frameKind.errorOutput) open.errorOutput.write(payload)
    if (kind === frameKind.failure)
      this.#fail(stream, new GuestError(this.#machine, JSON.parse(payload.toString()) as GuestFailure))
    if (kind !== frameKind.answer) return
    this.#end(stream, open)
    open.resolve(JSON.parse(payload.toString()))
  }

  #fail(stream: number, error: Error): void {
    const open = this.#streams.get(stream)
    if (open === undefined) return
    this.#end(stream, open)
    open.reject(error)
  }

  #end(stream: number, { output, errorOutput }: OpenStream): void {
    this.#streams.delete(stream)
    output.end()
    errorOutput.end()
  }

  #send(frame: Frame): void {
    if (this.#closed === undefined) this.#channel.write(encodeFrame(frame))
  }
}
