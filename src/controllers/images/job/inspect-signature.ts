import { defaultDirName } from '../../../api/defaults.ts'
import type { ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { Sign } from '../../../api/module.ts'
import { describeError, type ErrorCode, KmmError } from '../../../errors/error.ts'
import type { Reason } from '../../../errors/reason.ts'
import { readSignedBy } from '../../../image/read-signed-by.ts'
import { findSignedFiles } from '../../../image/sign-image.ts'
import { cleanText } from '../../../kmod/clean-text.ts'
import type { SigningCertificate } from '../../../kmod/signature-key.ts'
import { withDeadline } from '../../../kube/deadline.ts'
import { parseReference } from '../../../oci/reference.ts'
import type { Registry } from '../../../oci/registry.ts'
import type { KeyedLock } from '../../../runtime/keyed-lock.ts'
import { readPullCredentials, type RegistryTools, withRegistry } from '../read-credentials.ts'
import type { JobSources } from './job-sources.ts'
import type { InspectionResult } from './job.ts'
import { readCertificate } from './read-sign-inputs.ts'

/** Which image is looked into, and for whose signature. */
export interface Inspection {
  spec: ModuleImageSpec
  digest: string
  /** SHA-256 of the certificate that the image's modules should be signed with. */
  certificate: string
}

/** What an inspection is made with. */
export interface InspectionTools extends RegistryTools {
  /** A folder for the modules of the image; what is put there is removed again. */
  temporaryFolder: string
  /** Lets one image at a time be looked into: their modules lie on disk meanwhile. */
  inspecting: KeyedLock
}

const mostNames = 5
/** A registry that gives layers slower than this holds up the other images. */
const longestMs = 300_000

/** What the Module says of a failure; everything else is the operator's own, and thrown. */
const reasons: Partial<Record<ErrorCode, Reason>> = {
  ImageNotFound: 'ImageNotFound',
  RegistryUnauthorized: 'RegistryUnauthorized',
  RegistryUnreachable: 'RegistryUnreachable',
  ImageInvalid: 'ImageInvalid',
  LimitExceeded: 'ImageInvalid',
  ModuleFileInvalid: 'ImageInvalid',
  ReferenceInvalid: 'MappingInvalid',
  FilesToSignInvalid: 'FilesToSignInvalid',
  ConfigurationInvalid: 'ImageInputMissing',
  SigningKeyInvalid: 'SigningKeyInvalid',
  OutOfSpace: 'OutOfSpace',
}

function explain(error: unknown, signal: AbortSignal): InspectionResult {
  const isFull = error instanceof Error && ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')
  const reason = isFull ? 'OutOfSpace' : error instanceof KmmError ? reasons[error.code] : undefined
  if (reason === undefined || signal.aborted) throw error
  return { kind: 'unknown', reason, message: describeError(error) }
}

function describeUnsigned(paths: readonly string[], all: number, { subject }: SigningCertificate): string {
  const names = paths.slice(0, mostNames).map((path) => cleanText(path, 300))
  const more = paths.length > mostNames ? ` and ${paths.length - mostNames} more` : ''
  return `${paths.length} of the ${all} files to sign are not signed by the certificate of sign.certSecret (${cleanText(subject, 200)}): ${names.join(', ')}${more}`
}

async function inspectFiles(
  registry: Registry,
  { spec, digest }: Inspection,
  certificate: SigningCertificate,
  { architecture, temporaryFolder, signal }: InspectionTools & { architecture: string },
): Promise<InspectionResult> {
  const files = await findSignedFiles({
    source: { registry, reference: { ...parseReference(spec.image), digest } },
    platform: { os: 'linux', architecture: architecture === '' ? 'amd64' : architecture },
    filesToSign: spec.sign?.filesToSign ?? [],
    dirName: spec.dirName || defaultDirName,
    workFolder: temporaryFolder,
    log: () => undefined,
    certificate,
    signal,
  })
  const unsigned = files.filter(({ isSigned }) => !isSigned).map(({ path }) => path)
  if (unsigned.length === 0) return { kind: 'signed' }
  return { kind: 'unsigned', message: describeUnsigned(unsigned, files.length, certificate) }
}

async function inspect(
  inspection: Inspection,
  sign: Sign,
  sources: JobSources,
  tools: InspectionTools,
): Promise<InspectionResult> {
  const { spec, digest } = inspection
  const reference = parseReference(spec.image)
  const { credentials } = await readPullCredentials(sources, tools)
  return withRegistry({ credentials, tls: spec.registryTLS }, tools, async (registry) => {
    const signedBy = await readSignedBy(registry, reference, digest, tools.signal)
    if (signedBy === inspection.certificate) return { kind: 'signed' }
    const certificate = await readCertificate(sign, sources, tools)
    if (certificate.fingerprint !== inspection.certificate)
      return { kind: 'unknown', reason: 'ImageInputsDiffer', message: 'the certificate has just been changed' }
    const { architecture } = sources
    // One at a time of a namespace: their modules lie on disk meanwhile, and nobody waits for other people's registries.
    return tools.inspecting.hold(sources.namespace, () =>
      inspectFiles(registry, inspection, certificate, { ...tools, architecture }),
    )
  })
}

/**
 * Finds out whether the image with this digest is signed by a certificate: by its label, for which the registry gives some KiB,
 * else by the signatures of its modules, for which layers are read. What keeps it from that is an `unknown` with its reason.
 */
export async function inspectSignature(
  inspection: Inspection,
  sources: JobSources,
  tools: InspectionTools,
): Promise<InspectionResult> {
  const { sign } = inspection.spec
  if (sign === undefined) return { kind: 'signed' }
  const signal = withDeadline(longestMs, tools.signal)
  return inspect(inspection, sign, sources, { ...tools, signal }).catch((error: unknown) => {
    if (!signal.aborted || tools.signal.aborted) return explain(error, tools.signal)
    const message = `looking for the signature took longer than ${longestMs / 60_000} minutes; is the registry that slow?`
    return { kind: 'unknown', reason: 'RegistryUnreachable', message }
  })
}
