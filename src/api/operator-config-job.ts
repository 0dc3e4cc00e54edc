import { parseGoDuration } from './go-duration.ts'
import { type Fields, invalid, listUnknown, read, readSection } from './operator-config-fields.ts'

/** What a build or sign pod asks of its node, and may use at most: Kubernetes' quantities by resource. */
export interface JobResources {
  requests?: Record<string, string>
  limits?: Record<string, string>
}

/** How images are made in the cluster. */
export interface JobConfig {
  /** How long a build or sign pod that succeeded stays; a Go duration in the file, `gcDelay` (upstream). */
  gcDelayMs: number
  /** How often a build or a signing is tried, at least once. */
  maxAttempts: number
  build: {
    /** The builder's image; empty for that of the operator's environment. */
    image: string
    resources: JobResources
    /** How many build pods may run at once in the cluster, at least one. */
    maxConcurrent: number
  }
  sign: { resources: JobResources }
}

export const defaultJob: JobConfig = {
  gcDelayMs: 0,
  maxAttempts: 5,
  build: {
    image: '',
    // For a compiler. Without a limit: a build that is killed for one helps nobody.
    resources: { requests: { cpu: '500m', memory: '512Mi' } },
    maxConcurrent: 4,
  },
  // Modules are signed one by one.
  sign: { resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { memory: '512Mi' } } },
}

/** As the API server accepts quantities (Kubernetes: `resource.Quantity`), without a sign. */
const quantityPattern = /^(?:\d+\.?\d*|\.\d+)(?:[KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/

function readDuration(fields: Fields, path: string, fallbackMs: number): number {
  const text = read(fields, path, '')
  if (text === '') return fallbackMs
  const ms = parseGoDuration(text)
  if (ms === undefined || ms < 0) throw invalid(path, 'a duration such as 0s, 500ms or 1h30m')
  return ms
}

function readCount(fields: Fields, path: string, fallback: number): number {
  const count = read(fields, path, fallback)
  if (!Number.isSafeInteger(count) || count < 1) throw invalid(path, 'a whole number of at least 1')
  return count
}

function readQuantities(fields: Fields, path: string): Record<string, string> {
  const entries = Object.entries(readSection(fields, path)).map(([name, value]) => {
    const text = typeof value === 'number' ? String(value) : value
    if (typeof text === 'string' && quantityPattern.test(text)) return [name, text] as const
    throw invalid(`${path}.${name}`, 'a quantity such as 500m, 2 or 1Gi')
  })
  return Object.fromEntries(entries)
}

/** Given resources replace the default ones whole, as a pod's do. */
function readResources(fields: Fields, path: string, fallback: JobResources): JobResources {
  const resources = readSection(fields, path)
  if (Object.keys(resources).length === 0) return fallback
  const requests = readQuantities(resources, `${path}.requests`)
  const limits = readQuantities(resources, `${path}.limits`)
  return {
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  }
}

/** Reads the section `job`. Throws ConfigurationInvalid that names the field. */
export function readJob(fields: Fields): JobConfig {
  const build = readSection(fields, 'job.build')
  const sign = readSection(fields, 'job.sign')
  return {
    gcDelayMs: readDuration(fields, 'job.gcDelay', defaultJob.gcDelayMs),
    maxAttempts: readCount(fields, 'job.maxAttempts', defaultJob.maxAttempts),
    build: {
      image: read(build, 'job.build.image', defaultJob.build.image),
      resources: readResources(build, 'job.build.resources', defaultJob.build.resources),
      maxConcurrent: readCount(build, 'job.build.maxConcurrent', defaultJob.build.maxConcurrent),
    },
    sign: { resources: readResources(sign, 'job.sign.resources', defaultJob.sign.resources) },
  }
}

const resourceFields = { requests: {}, limits: {} }

/** The keys of the section `job` that this operator does not know. */
export function listUnknownJob(fields: Fields): string[] {
  const build = readSection(fields, 'job.build')
  const sign = readSection(fields, 'job.sign')
  return [
    ...listUnknown(fields, 'job', { gcDelay: '', maxAttempts: 0, build: {}, sign: {} }),
    ...listUnknown(build, 'job.build', defaultJob.build),
    ...listUnknown(readSection(build, 'job.build.resources'), 'job.build.resources', resourceFields),
    ...listUnknown(sign, 'job.sign', defaultJob.sign),
    ...listUnknown(readSection(sign, 'job.sign.resources'), 'job.sign.resources', resourceFields),
  ]
}
