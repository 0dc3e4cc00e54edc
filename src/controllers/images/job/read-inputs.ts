import type { ModuleImagesConfig, ModuleImageSpec } from '../../../api/module-images-config.ts'
import type { Sign } from '../../../api/module.ts'
import { hasCode } from '../../../errors/error.ts'
import type { RegistryTools } from '../read-credentials.ts'
import { hashParts } from './hash-parts.ts'
import type { JobSources } from './job-sources.ts'
import type { BuildInputs, InputsResult, SignInputs } from './job.ts'
import { readBuildInputs } from './read-build-inputs.ts'
import { readCertificate, readSignInputs } from './read-sign-inputs.ts'

type Unusable = Extract<InputsResult, { kind: 'unusable' }>

/** What of the spec decides which inputs are read: a reading that was made for another key says nothing. */
export function formatInputsKey({ spec: config }: ModuleImagesConfig, spec: ModuleImageSpec): string {
  return hashParts(spec, config?.imageRepoSecret?.name ?? '', config?.tolerations ?? [])
}

function explain(error: unknown): Unusable {
  if (hasCode(error, 'ConfigurationInvalid'))
    return { kind: 'unusable', reason: 'ImageInputMissing', message: error.message }
  if (hasCode(error, 'SigningKeyInvalid'))
    return { kind: 'unusable', reason: 'SigningKeyInvalid', message: error.message }
  if (hasCode(error, 'FilesToSignInvalid'))
    return { kind: 'unusable', reason: 'FilesToSignInvalid', message: error.message }
  if (hasCode(error, 'ReferenceInvalid')) return { kind: 'unusable', reason: 'MappingInvalid', message: error.message }
  throw error
}

type Settled<T> = { kind: 'settled'; value: T | undefined } | Unusable

async function settle<T>(reading: Promise<T> | undefined): Promise<Settled<T>> {
  if (reading === undefined) return { kind: 'settled', value: undefined }
  return reading.then((value) => ({ kind: 'settled', value }) as const, explain)
}

function checkSource({ build, sign, image }: ModuleImageSpec): Unusable | undefined {
  if (sign === undefined || build !== undefined || (sign.unsignedImage ?? '') !== '') return undefined
  const message = `nothing says what to sign for ${image}: give sign.unsignedImage, or build`
  return { kind: 'unusable', reason: 'MappingInvalid', message }
}

/** Both readings, or everything that is wrong with them. */
function join(build: Settled<BuildInputs>, sign: Settled<SignInputs>): InputsResult {
  if (build.kind === 'settled' && sign.kind === 'settled')
    return {
      kind: 'read',
      ...(build.value === undefined ? {} : { build: build.value }),
      ...(sign.value === undefined ? {} : { sign: sign.value }),
    }
  const problems = [build, sign].filter((each) => each.kind === 'unusable')
  const messages = problems.map(({ message }) => message).join('; ')
  return { kind: 'unusable', reason: problems[0]?.reason ?? 'ImageInputMissing', message: messages }
}

/** The certificate alone: it tells whose signature an image should carry, whatever else is missing. */
async function findCertificate(
  sign: Sign,
  sources: JobSources,
  tools: RegistryTools,
): Promise<{ certificate?: string }> {
  const certificate = await settle(readCertificate(sign, sources, tools))
  if (certificate.kind === 'unusable' || certificate.value === undefined) return {}
  return { certificate: certificate.value.fingerprint }
}

/**
 * Reads by name, now, everything that an image is built from and signed with. What is missing or of no use is a result that
 * says what to do; only the API server's failures are thrown. Nothing of a secret is kept but its version.
 */
export async function readInputs(
  spec: ModuleImageSpec,
  sources: JobSources,
  tools: RegistryTools,
): Promise<InputsResult> {
  const { build, sign } = spec
  const problem = checkSource(spec)
  if (problem !== undefined) return problem
  const [built, signed] = await Promise.all([
    settle(build && readBuildInputs(spec, build, sources, tools)),
    settle(sign && readSignInputs(spec, sign, sources, tools)),
  ])
  const result = join(built, signed)
  if (result.kind === 'read' || sign === undefined) return result
  return { ...result, ...(await findCertificate(sign, sources, tools)) }
}
