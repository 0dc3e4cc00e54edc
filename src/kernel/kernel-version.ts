import { KmmError } from '../errors/error.ts'

/** The kernel version that mappings are compared with: a node's, without one trailing `+` (upstream: input kernel). */
export function cutTrailingPlus(kernelVersion: string): string {
  return kernelVersion.endsWith('+') ? kernelVersion.slice(0, -1) : kernelVersion
}

/** A kernel version fit for an image tag: whatever is not `[A-Za-z0-9._-]` becomes `_` (upstream: kernel normalisation). */
export function normalizeKernelVersion(kernelVersion: string): string {
  return kernelVersion.replace(/[^A-Za-z0-9._-]/g, '_')
}

/** A kernel version fit for names of Kubernetes objects: normalised, lower case, `-` for `_` and `.` and none at the ends. */
export function formatDnsSafeKernelVersion(kernelVersion: string): string {
  const safe = normalizeKernelVersion(kernelVersion).toLowerCase().replace(/[._]/g, '-')
  return safe.replace(/^-+/, '').replace(/(?<!-)-+$/, '')
}

/** The first three parts of a kernel version: `6.1.0-56-amd64` has 6, 1 and 0. */
export interface KernelVersionParts {
  x: string
  y: string
  z: string
}

/** Splits a normalised kernel version at `.` and `-`. Throws MappingInvalid when it has fewer than three parts. */
export function splitKernelVersion(kernelVersion: string): KernelVersionParts {
  const [x, y, z] = normalizeKernelVersion(kernelVersion).split(/[.-]/)
  if (x === undefined || y === undefined || z === undefined) {
    throw new KmmError(
      `the kernel version "${kernelVersion}" has fewer than three parts, as 6.1.0 has; it cannot be used in a mapping`,
      { code: 'MappingInvalid', fate: 'terminal' },
    )
  }
  return { x, y, z }
}
