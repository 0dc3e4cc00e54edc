import { badRequest } from '../status-error.ts'

/** One field of a message as it stands in the bytes: a number for varints, bytes for everything with a length. */
export interface WireField {
  number: number
  value: number | Buffer
}

/** Reads the fields of a protobuf message; 400 when the bytes are none. */
export function readFields(bytes: Buffer): WireField[] {
  const reader = new Reader(bytes)
  const fields: WireField[] = []
  while (!reader.done) fields.push(reader.field())
  return fields
}

class Reader {
  readonly #bytes: Buffer
  #position = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#position >= this.#bytes.length
  }

  field(): WireField {
    const tag = this.#varint()
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        return { number, value: this.#varint() }
      case 1:
        return { number, value: this.#take(8) }
      case 2:
        return { number, value: this.#take(this.#varint()) }
      case 5:
        return { number, value: this.#take(4) }
      default:
        throw broken()
    }
  }

  /** Numbers beyond 2^53 lose their last digits; no field that is read here holds one, but negative ones arrive so. */
  #varint(): number {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#position++]
      if (byte === undefined) throw broken()
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return Number(BigInt.asIntN(64, value))
    }
    throw broken()
  }

  #take(length: number): Buffer {
    const end = this.#position + length
    if (length < 0 || end > this.#bytes.length) throw broken()
    const part = this.#bytes.subarray(this.#position, end)
    this.#position = end
    return part
  }
}

const broken = (): Error => badRequest('the protobuf body is broken: it ends early or has an unknown field type')
