import { KmmError } from '../errors/error.ts'
import { defaultModuleLimitBytes } from '../kmod/compression.ts'

/** What looking into one image may cost at most. */
export interface InspectLimits {
  /** Bytes of its modules and firmware, as they are in the image and again when decompressed. */
  bytes: number
  /** Bytes of one module, compressed or not. */
  moduleBytes: number
  /** Bytes of all that its modules say of themselves: that is what is kept in memory. */
  infoBytes: number
  /** Bytes of `modules.dep` or `modules.builtin`. */
  indexBytes: number
}

/** For people, who wait for it. A distribution's whole kernel has 400 MB of modules, which say 15 MB, and a modules.dep of 600 KB. */
export const defaultInspectLimits: InspectLimits = {
  bytes: 4 * 1024 ** 3,
  moduleBytes: defaultModuleLimitBytes,
  infoBytes: 64 * 1024 ** 2,
  indexBytes: 8 * 1024 ** 2,
}

/** Counts what was read of one image. */
export class InspectMeter {
  readonly limits: InspectLimits
  #bytes = 0
  #infoBytes = 0

  constructor(limits: Partial<InspectLimits> = {}) {
    this.limits = { ...defaultInspectLimits, ...limits }
  }

  /** Counts one module as it was decompressed. Throws LimitExceeded. */
  addModule(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > this.limits.bytes)
      throw exceeded(`its kernel modules decompress to more than ${this.limits.bytes} bytes`)
  }

  /** Counts what one module says of itself. Throws LimitExceeded. */
  addInfo(bytes: number): void {
    this.#infoBytes += bytes
    if (this.#infoBytes > this.limits.infoBytes)
      throw exceeded(`its kernel modules have more than ${this.limits.infoBytes} bytes of .modinfo`)
  }

  /** Throws LimitExceeded for an index of the modules that is too large to be read. */
  checkIndex(name: string, bytes: number): void {
    if (bytes > this.limits.indexBytes)
      throw exceeded(`its ${name} has ${bytes} bytes, more than the ${this.limits.indexBytes} that are read`)
  }
}

const exceeded = (what: string): KmmError =>
  new KmmError(`${what}: leave out what the node does not need`, { code: 'LimitExceeded', fate: 'terminal' })
