/** What a frame between a machine and its host carries. */
export const frameKind = {
  /** Host to guest: JSON of a request; opens the stream. */
  request: 0,
  /** Host to guest: bytes for standard input, or of a file. */
  input: 1,
  /** Host to guest: no more of them. */
  inputEnd: 2,
  /** Host to guest: name of a signal. */
  signal: 3,
  /** Guest to host: bytes of standard output, or of a file. */
  output: 4,
  /** Guest to host: bytes of standard error. */
  errorOutput: 5,
  /** Guest to host: JSON of the answer; ends the stream. */
  answer: 6,
  /** Guest to host: JSON of a `GuestFailure`; ends the stream. */
  failure: 7,
} as const

/** Something that the agent could not do; `code` is Node's, such as ENOENT. */
export interface GuestFailure {
  code: string
  message: string
}

/** One frame: which stream it belongs to, what it carries. */
export interface Frame {
  stream: number
  kind: number
  payload: Buffer
}

const headerBytes = 9

/** The largest payload that is sent in one frame. */
export const mostPayloadBytes = 64 * 1_024

/** A frame as it goes over the wire: length of what follows, stream, kind, payload. */
export function encodeFrame({ stream, kind, payload }: Frame): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32BE(payload.length + headerBytes - 4, 0)
  header.writeUInt32BE(stream, 4)
  header.writeUInt8(kind, 8)
  return Buffer.concat([header, payload])
}

/** Splits bytes into pieces that fit into frames. */
export function* splitPayload(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += mostPayloadBytes) yield bytes.subarray(at, at + mostPayloadBytes)
}

/** Puts frames together from bytes that come in any pieces. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  /** Takes bytes and answers the frames that are whole by now. */
  push(bytes: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    while (this.#rest.length >= headerBytes) {
      const end = 4 + this.#rest.readUInt32BE(0)
      if (this.#rest.length < end) break
      const payload = this.#rest.subarray(headerBytes, end)
      frames.push({ stream: this.#rest.readUInt32BE(4), kind: this.#rest.readUInt8(8), payload })
      this.#rest = this.#rest.subarray(end)
    }
    return frames
  }
}
