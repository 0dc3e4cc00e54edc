import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import { describeError, type ErrorCode, KmmError } from '../../../errors/error.ts'
import type { Reason } from '../../../errors/reason.ts'
import { checkImage, type CheckFinding } from '../../../image/check-image.ts'
import { inspectImage, type InspectedImage } from '../../../image/inspect-image.ts'
import { cleanText } from '../../../kmod/clean-text.ts'
import { withDeadline } from '../../../kube/deadline.ts'
import { parseReference } from '../../../oci/reference.ts'
import type { Registry } from '../../../oci/registry.ts'
import type { Caches } from '../../cluster/caches.ts'
import { findJobSources } from '../../images/job/job-sources.ts'
import { readPullCredentials, type RegistryTools, withRegistry } from '../../images/read-credentials.ts'
import { formatPlace, type SilentRegistries } from '../../images/silent-registries.ts'
import type { ContentResult, ContentWish } from './observed.ts'
import { findKernel } from './wish.ts'

/** What images are looked into with. */
export interface LookTools extends RegistryTools {
  caches: Pick<Caches, 'modules' | 'nodes'>
  /** Which registries do not answer. */
  silent: SilentRegistries
  /** A folder for the modules of the image; what is put there is removed again. */
  temporaryFolder: string
}

/** A registry that gives layers slower than this is taken for one that does not answer. */
const longestMs = 120_000
/** Three times what a distribution's whole kernel takes, debug builds aside. */
const limits = { bytes: 1024 ** 3, moduleBytes: 256 * 1024 ** 2 }
const mostFindings = 5
const longestFinding = 300

/** What is wrong with the image itself; everything else tells only that nobody could look. */
const faults: ReadonlySet<ErrorCode> = new Set(['ImageInvalid', 'LimitExceeded', 'ModuleFileInvalid'])

const reasons: Partial<Record<ErrorCode, Reason>> = {
  ImageNotFound: 'ImageNotFound',
  RegistryUnauthorized: 'RegistryUnauthorized',
  RegistryUnreachable: 'RegistryUnreachable',
  ConfigurationInvalid: 'RegistryUnauthorized',
  ReferenceInvalid: 'ImageNotFound',
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && ['OutOfSpace', 'ENOSPC', 'EDQUOT'].includes(String((error as NodeJS.ErrnoException).code))

const fullMessage =
  'no space is left for its modules in the temporary folder of the operator: free some on the node where the operator runs, or give its pod more'

function explain(error: unknown, signal: AbortSignal): ContentResult {
  // What is neither ours nor the system's is a defect, which the log is to tell.
  const isExpected = error instanceof KmmError || (error instanceof Error && 'syscall' in error)
  if (signal.aborted || !isExpected) throw error
  if (isFull(error)) return { kind: 'unknown', reason: 'OutOfSpace', message: fullMessage }
  const message = cleanText(describeError(error), longestFinding * 2)
  const code = error instanceof KmmError ? error.code : 'Internal'
  if (faults.has(code)) return { kind: 'wrong', message }
  return { kind: 'unknown', reason: reasons[code] ?? 'ImageUnknown', message }
}

const join = (findings: readonly CheckFinding[]): string => {
  const messages = [...new Set(findings.map(({ message }) => message))]
  const words = messages.slice(0, mostFindings).map((message) => cleanText(message, longestFinding))
  const more = messages.length > mostFindings ? ` and ${messages.length - mostFindings} more` : ''
  return `${words.join('; ')}${more}`
}

/** Modules of the loading order besides the first: modprobe goes on without them. */
function listMissing(image: InspectedImage, { moduleNames, kernel }: ContentWish): CheckFinding[] {
  const names = new Set(image.kernels.flatMap(({ modules, onNode }) => [...modules.map(({ name }) => name), ...onNode]))
  return moduleNames
    .slice(1)
    .filter((name) => !names.has(name.replaceAll('-', '_')))
    .map((name) => ({
      check: 'module',
      verdict: 'warning',
      message: `the image has no module ${name} of modulesLoadingOrder for ${kernel}`,
    }))
}

function checkFirmware({ firmware }: InspectedImage, { firmwarePath }: ContentWish): CheckFinding[] {
  if (firmwarePath === undefined || firmware.length > 0) return []
  const message = `the image has no file in ${firmwarePath}, which firmwarePath names`
  return [{ check: 'firmware', verdict: 'warning', message }]
}

/** Says what was found, the worst first: that something is wrong, or what speaks for the image and what is to be thought of. */
async function judge(
  image: InspectedImage,
  wish: ContentWish,
  architecture: string | undefined,
  signal: AbortSignal,
): Promise<ContentResult> {
  const { kernel, dirName, moduleNames } = wish
  const asked = { kernel, dirName, architecture, moduleName: moduleNames[0], needsSignature: false, mayBeLoaded: true }
  const checked = await checkImage(image, asked, signal)
  const findings = [...checked, ...listMissing(image, wish), ...checkFirmware(image, wish)]
  const failed = findings.filter(({ verdict }) => verdict === 'failed')
  if (failed.length > 0) return { kind: 'wrong', message: join(failed) }
  const warnings = findings.filter(({ verdict }) => verdict === 'warning')
  const told = findings.filter(
    ({ verdict, check }) => verdict === 'ok' && (check === 'vermagic' || check === 'signature'),
  )
  return { kind: 'fits', message: join([...told, ...warnings]) }
}

async function lookFor(
  registry: Registry,
  wish: ContentWish,
  architecture: string | undefined,
  { temporaryFolder, signal }: LookTools,
): Promise<ContentResult> {
  const { image, digest, kernel, dirName, firmwarePath } = wish
  const inspected = await inspectImage({
    source: { registry, reference: { ...parseReference(image), digest } },
    platform: { os: 'linux', architecture: architecture ?? 'amd64' },
    dirName,
    kernel,
    ...(firmwarePath === undefined ? {} : { firmwarePath }),
    workFolder: temporaryFolder,
    limits,
    signal,
  })
  return judge(inspected, wish, architecture, signal)
}

/** What is wrong for one architecture is wrong. */
function merge(results: readonly ContentResult[]): ContentResult {
  const worst = (['wrong', 'unknown'] as const).map((kind) => results.find((result) => result.kind === kind))
  const messages = [...new Set(results.map(({ message }) => message))].join('; ')
  return worst.find((result) => result !== undefined) ?? { kind: 'fits', message: messages }
}

/**
 * Looks whether an image has what a Module loads, for that kernel and for each architecture on which it may run. Reads the image from its
 * registry with the Module's credentials, and keeps nothing of it. What keeps it from looking is an `unknown` with its reason.
 */
export async function lookInto(
  wish: ContentWish,
  { config, architectures }: { config: ModuleImagesConfig; architectures: readonly string[] },
  tools: LookTools,
): Promise<ContentResult> {
  const signal = withDeadline(longestMs, tools.signal)
  const [spec] = config.spec?.images ?? []
  try {
    const sources = findJobSources(config, { kernelVersion: findKernel(config, wish) }, tools.caches)
    const { credentials } = await readPullCredentials(sources, { ...tools, signal })
    const tls = spec?.registryTLS
    const look = async (registry: Registry): Promise<ContentResult> => {
      const results: ContentResult[] = []
      for (const each of architectures.length === 0 ? [undefined] : architectures)
        results.push(await lookFor(registry, wish, each, { ...tools, signal }))
      return merge(results)
    }
    const place = formatPlace(parseReference(wish.image), tls)
    return await tools.silent.ask(place, () => withRegistry({ credentials, tls }, tools, look))
  } catch (error) {
    if (!signal.aborted || tools.signal.aborted) return explain(error, tools.signal)
    const message = `looking into it took longer than ${longestMs / 60_000} minutes; is the registry that slow?`
    return { kind: 'unknown', reason: 'RegistryUnreachable', message }
  }
}
