/** A module's `vermagic`, taken apart. */
export interface Vermagic {
  /** The `uname -r` that it was built for. */
  release: string
  /** `SMP`, `preempt`, `mod_unload`, `modversions` and the like, in their order. */
  flags: string[]
}

/** Splits `6.1.0-56-amd64 SMP preempt mod_unload modversions`; undefined for an empty text. */
export function parseVermagic(text: string): Vermagic | undefined {
  const [release, ...flags] = text.split(' ').filter((word) => word !== '')
  return release === undefined ? undefined : { release, flags }
}

/** True when a module was built for the kernel with that `uname -r`. A kernel may accept others by symbol versions, seldom. */
export function isBuiltFor(vermagic: string, kernelRelease: string): boolean {
  return parseVermagic(vermagic)?.release === kernelRelease
}
