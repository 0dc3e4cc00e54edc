import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { parseReference } from '../../oci/reference.ts'
import { createRegistry } from '../../oci/registry.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { TokenCache } from '../../oci/token-cache.ts'
import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import type { KubeClient } from '../../kube/client.ts'
import { secrets } from '../../kube/core-resources.ts'
import { listPullSecrets, type PullSecretSources } from '../cluster/pull-secrets.ts'
import type { CheckResult } from './observed.ts'

/** What a check is made with. */
export interface CheckTools {
  client: KubeClient
  settings: RegistrySettings
  /** Shared by all checks, to spare token requests. */
  tokens: TokenCache
  /** Told what of a pull secret is not used, and why. */
  warn: (message: string) => void
  signal: AbortSignal
}

const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

const secretKinds = [
  ['.dockerconfigjson', 'dockerconfigjson'],
  ['.dockercfg', 'dockercfg'],
] as const

/** The credentials of one secret; `missing` gets the name of one that does not exist. */
async function readSecret(
  { namespace, name }: { namespace: string; name: string },
  tools: CheckTools,
  missing: string[],
): Promise<CredentialStore[]> {
  try {
    const { data = {} } = await tools.client.get(secrets, { namespace, name }, tools.signal)
    return secretKinds.flatMap(([key, kind]) => {
      const text = data[key]
      if (text === undefined) return []
      const { credentials, warnings } = parseDockerConfig(decode(text), kind)
      for (const warning of warnings) tools.warn(`Secret ${namespace}/${name}: ${warning}`)
      return [credentials]
    })
  } catch (error) {
    // An absent secret is like an empty one: the registry's answer will tell.
    if (!hasCode(error, 'NotFound')) throw error
    missing.push(`${namespace}/${name}`)
    return []
  }
}

/** Reads the Module's pull secret and those of its service account, by name, now. */
async function readCredentials(
  sources: PullSecretSources,
  tools: CheckTools,
  missing: string[],
): Promise<CredentialStore> {
  const names = await listPullSecrets(sources, tools.client, tools.signal)
  const stores = await Promise.all(
    names.map((name) => readSecret({ namespace: sources.namespace, name }, tools, missing)),
  )
  return mergeCredentials(stores.flat())
}

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
  tools: CheckTools,
): Promise<CheckResult> {
  const missing: string[] = []
  try {
    const { insecure = false, insecureSkipTLSVerify = false } = image.registryTLS ?? {}
    const reference = parseReference(image.image)
    const credentials = await readCredentials(sources, tools, missing)
    const registry = createRegistry({
      settings: tools.settings,
      tls: { insecure, insecureSkipTLSVerify },
      credentials,
      tokens: tools.tokens,
    })
    try {
      const { digest } = await registry.headManifest(reference, tools.signal)
      return { kind: 'exists', digest }
    } finally {
      await registry.close()
    }
  } catch (error) {
    return toResult(error, missing)
  }
}
