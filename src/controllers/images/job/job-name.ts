import { createHash } from 'node:crypto'
import { KmmError } from '../../../errors/error.ts'
import { formatDnsSafeKernelVersion } from '../../../kernel/kernel-version.ts'
import { formatReference, parseReference } from '../../../oci/reference.ts'
import type { JobType } from './job.ts'

/** What one attempt at an image is called by. */
export interface JobIdentity {
  type: JobType
  /** Name of the ModuleImagesConfig. */
  config: string
  kernelVersion: string
  image: string
  hash: string
  attempt: number
}

const longestName = 63
const longestKernel = 24
const longestTag = 128
const verbs: Readonly<Record<JobType, string>> = { BuildImage: 'build', SignImage: 'sign' }

const hash8 = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 8)

/** Cuts a name so that it does not end in a separator. */
const cut = (name: string, longest: number): string => name.slice(0, longest).replace(/[-.]+$/, '')

/** The name of an attempt's pod, at most 63 characters: the same for the same attempt, so that it is never made twice. */
export function formatJobName({ type, config, kernelVersion, image, hash, attempt }: JobIdentity): string {
  const tail = [verbs[type], cut(formatDnsSafeKernelVersion(kernelVersion), longestKernel)]
    .concat(hash8(type, config, kernelVersion, image, hash, attempt))
    .filter((part) => part !== '')
    .join('-')
  return `${cut(config, longestName - tail.length - 1)}-${tail}`
}

/** The kernel as the value of a label: in DNS form (upstream), with a hash at its end where it is longer than 63 characters. */
export function formatTargetKernel(kernelVersion: string): string {
  const safe = formatDnsSafeKernelVersion(kernelVersion)
  return safe.length <= longestName ? safe : `${cut(safe, longestName - 9)}-${hash8(kernelVersion)}`
}

/**
 * Where a build goes that is signed afterwards: `<tag>-kmm-unsigned-<hash8>` beside the final tag, of `latest` where there
 * is none. Throws ReferenceInvalid for what is no image name, and for a digest: nobody can build an image that has a given one.
 */
export function formatUnsignedReference(image: string, buildHash: string): string {
  const { registry, repository, tag = 'latest' } = parseTarget(image)
  const suffix = `-kmm-unsigned-${buildHash.slice(0, 8)}`
  const room = longestTag - suffix.length
  const short = tag.length <= room ? tag : `${tag.slice(0, room - 9)}-${hash8(tag)}`
  return formatReference({ registry, repository, tag: `${short}${suffix}` })
}

/** Parses the name of an image that is to be made. Throws ReferenceInvalid for what is no image name, and for a digest. */
export function parseTarget(image: string): ReturnType<typeof parseReference> {
  const reference = parseReference(image)
  if (reference.digest === undefined) return reference
  const message = `"${image}" names an image by its digest, and what is built or signed has another one: give containerImage a tag instead`
  throw new KmmError(message, { code: 'ReferenceInvalid', fate: 'terminal' })
}
