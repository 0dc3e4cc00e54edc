import { KmmError } from '../errors/error.ts'

/** What one extraction may cost at most. */
export interface ExtractLimits {
  /** Files, directories and links written. */
  entries: number
  /** Bytes written. */
  bytes: number
  /** Entries read, written or not, over all layers. */
  scannedEntries: number
  /** Bytes read after decompression, over all layers. */
  scannedBytes: number
  /** Decompressed bytes for each compressed one, looked at once a layer is larger than `ratioFromBytes`. */
  ratio: number
  ratioFromBytes: number
}

/** Far above what kmod images hold (a distribution's whole kernel tree: 6,000 files, 400 MB), far below what hurts. */
export const defaultExtractLimits: ExtractLimits = {
  entries: 65_536,
  bytes: 4 * 1024 ** 3,
  scannedEntries: 4_000_000,
  scannedBytes: 64 * 1024 ** 3,
  ratio: 200,
  ratioFromBytes: 32 * 1024 ** 2,
}

const exceeded = (message: string): KmmError => new KmmError(message, { code: 'LimitExceeded', fate: 'terminal' })

/** Counts what an extraction has cost so far, and fails as soon as it is too much. */
export class ExtractMeter {
  readonly #limits: ExtractLimits
  readonly #counts = { bytes: 0, scannedEntries: 0, scannedBytes: 0 }

  constructor(limits: ExtractLimits) {
    this.#limits = limits
  }

  get bytes(): number {
    return this.#counts.bytes
  }

  get scannedBytes(): number {
    return this.#counts.scannedBytes
  }

  addScannedEntry(): void {
    this.#counts.scannedEntries += 1
    if (this.#counts.scannedEntries > this.#limits.scannedEntries) {
      throw exceeded(`the image holds more than ${this.#limits.scannedEntries} entries: use a smaller base image`)
    }
  }

  addScannedBytes(bytes: number): void {
    this.#counts.scannedBytes += bytes
    if (this.#counts.scannedBytes > this.#limits.scannedBytes) {
      throw exceeded(`the image unpacks to more than ${this.#limits.scannedBytes} bytes: use a smaller base image`)
    }
  }

  addBytes(bytes: number): void {
    this.#counts.bytes += bytes
    if (this.#counts.bytes > this.#limits.bytes) {
      throw exceeded(
        `its kernel modules and firmware unpack to more than ${this.#limits.bytes} bytes: leave out what the node does not need`,
      )
    }
  }

  checkEntries(entries: number): void {
    if (entries > this.#limits.entries) {
      throw exceeded(
        `its kernel modules and firmware are more than ${this.#limits.entries} entries: leave out what the node does not need`,
      )
    }
  }

  /** Checks one layer's ratio, which tells a decompression bomb from an ordinary layer. */
  checkRatio(unpacked: number, packed: number): void {
    if (unpacked > this.#limits.ratioFromBytes && unpacked > packed * this.#limits.ratio) {
      throw exceeded(`it unpacks to more than ${this.#limits.ratio} times its size, as decompression bombs do`)
    }
  }
}
