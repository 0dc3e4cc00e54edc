import { spawn } from 'node:child_process'
import { constants, openSync, readdirSync, readFileSync, write } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { encodeFrame, type Frame, FrameReader } from '../frames.ts'

const writeBytes = promisify(write)
const classFolder = '/sys/class/virtio-ports'

/** Finds the device of a virtio-serial port by the name that the host gave it. */
export function findPort(name: string): string {
  const found = readdirSync(classFolder).find(
    (device) => readFileSync(`${classFolder}/${device}/name`, 'utf8').trim() === name,
  )
  if (found === undefined) throw new Error(`no virtio-serial port has the name ${name}`)
  return `/dev/${found}`
}

/** The guest's end of the channel: frames in both directions, written in the order in which they are sent. */
export class GuestPort {
  readonly #fd: number
  #sending: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR)
  }

  /** Sends a frame; resolves when it is written, which is how a fast program is made to wait. */
  send(frame: Frame): Promise<void> {
    const bytes = encodeFrame(frame)
    this.#sending = this.#sending.then(() => this.#write(bytes))
    return this.#sending
  }

  /** Frames as they come, for ever. While the host is away, the port reads as ended. */
  async *receive(): AsyncGenerator<Frame> {
    const reader = new FrameReader()
    for (;;) {
      // A port gives one page at a time: a small program that passes them on is several times as fast as we are.
      const passing = spawn('cat', [], { stdio: [this.#fd, 'pipe', 'inherit'] })
      for await (const bytes of passing.stdout ?? []) yield* reader.push(bytes as Buffer)
      await sleep(20)
    }
  }

  async #write(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await writeBytes(this.#fd, bytes, at, bytes.length - at, null)
      at += bytesWritten
    }
  }
}
