import { describeError, KmmError } from '../../errors/error.ts'
import { parseReference } from '../../oci/reference.ts'
import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import type { PullSecretSources } from '../cluster/pull-secrets.ts'
import type { CheckResult } from './observed.ts'
import { formatPlace, type SilentRegistries } from './silent-registries.ts'
import { readPullCredentials, type RegistryTools, withRegistry } from './read-credentials.ts'

function toResult(error: unknown, missingSecrets: readonly string[]): CheckResult {
  const message = describeError(error)
  if (!(error instanceof KmmError)) throw error
  switch (error.code) {
    case 'ImageNotFound':
      return { kind: 'missing', message }
    case 'ReferenceInvalid':
      // No registry has an image of a name that none can be asked for.
      return { kind: 'missing', message: `${message}; correct containerImage of the Module` }
    case 'RegistryUnauthorized': {
      const aside = missingSecrets.map((secret) => `; Secret ${secret}, which the Module names, does not exist`)
      return { kind: 'unknown', reason: error.code, message: `${message}${aside.join('')}` }
    }
    case 'RegistryUnreachable':
      return { kind: 'unknown', reason: error.code, message }
    case 'ConfigurationInvalid':
      // A pull secret that cannot be read is no credential.
      return { kind: 'unknown', reason: 'RegistryUnauthorized', message }
    case 'ImageInvalid':
    case 'LimitExceeded':
      return { kind: 'unknown', reason: 'ImageInvalid', message }
    default:
      throw error
  }
}

/** Asks the registry whether an image exists, with the Module's credentials and registryTLS. */
export async function checkImage(
  image: ModuleImageSpec,
  sources: PullSecretSources,
  tools: RegistryTools & { silent: SilentRegistries },
): Promise<CheckResult> {
  let missing: readonly string[] = []
  try {
    const reference = parseReference(image.image)
    const found = await readPullCredentials(sources, tools)
    missing = found.missing
    const { credentials } = found
    const tls = image.registryTLS
    return await tools.silent.ask(formatPlace(reference, tls), () =>
      withRegistry({ credentials, tls }, tools, async (registry) => {
        const { digest } = await registry.headManifest(reference, tools.signal)
        return { kind: 'exists', digest }
      }),
    )
  } catch (error) {
    return toResult(error, missing)
  }
}
