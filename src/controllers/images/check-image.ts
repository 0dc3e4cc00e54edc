import { describeError, hasCode, KmmError } from '../../errors/error.ts'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { parseReference } from '../../oci/reference.ts'
import { createRegistry } from '../../oci/registry.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import type { KubeClient } from '../../kube/client.ts'
import { secrets, serviceAccounts } from '../../kube/core-resources.ts'
import type { CheckResult } from './observed.ts'

/** What a check is made with. */
export interface CheckTools {
  client: KubeClient
  settings: RegistrySettings
  signal: AbortSignal
}

/** Where the credentials of a Module's images are. */
export interface CredentialSources {
  namespace: string
  imageRepoSecret: string
  serviceAccountName: string
}

const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

async function readSecret(namespace: string, name: string, { client, signal }: CheckTools): Promise<CredentialStore[]> {
  try {
    const { data = {} } = await client.get(secrets, { namespace, name }, signal)
    const config = data['.dockerconfigjson']
    const legacy = data['.dockercfg']
    return [
      ...(config === undefined ? [] : [parseDockerConfig(decode(config), 'dockerconfigjson').credentials]),
      ...(legacy === undefined ? [] : [parseDockerConfig(decode(legacy), 'dockercfg').credentials]),
    ]
  } catch (error) {
    // An absent secret is like an empty one: the registry's answer will tell.
    if (hasCode(error, 'NotFound')) return []
    throw error
  }
}

async function listSecretNames(
  { namespace, imageRepoSecret, serviceAccountName }: CredentialSources,
  { client, signal }: CheckTools,
): Promise<string[]> {
  const names = imageRepoSecret === '' ? [] : [imageRepoSecret]
  try {
    const account = await client.get(serviceAccounts, { namespace, name: serviceAccountName }, signal)
    names.push(...(account.imagePullSecrets ?? []).flatMap(({ name }) => name ?? []))
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
  }
  return [...new Set(names)]
}

/** Reads the Module's pull secret and those of its service account, by name, now. */
async function readCredentials(sources: CredentialSources, tools: CheckTools): Promise<CredentialStore> {
  const names = await listSecretNames(sources, tools)
  const stores = await Promise.all(names.map((name) => readSecret(sources.namespace, name, tools)))
  return mergeCredentials(stores.flat())
}

function toResult(error: unknown): CheckResult {
  const message = describeError(error)
  if (!(error instanceof KmmError)) throw error
  switch (error.code) {
    case 'ImageNotFound':
      return { kind: 'missing', message }
    case 'RegistryUnauthorized':
    case 'RegistryUnreachable':
      return { kind: 'unknown', reason: error.code, message }
    case 'ReferenceInvalid':
    case 'ImageInvalid':
    case 'ConfigurationInvalid':
    case 'LimitExceeded':
      return { kind: 'unknown', reason: 'ImageInvalid', message }
    default:
      throw error
  }
}

/** Asks the registry whether an image exists, with the Module's credentials and registryTLS. */
export async function checkImage(
  image: ModuleImageSpec,
  sources: CredentialSources,
  tools: CheckTools,
): Promise<CheckResult> {
  try {
    const { insecure = false, insecureSkipTLSVerify = false } = image.registryTLS ?? {}
    const reference = parseReference(image.image)
    const credentials = await readCredentials(sources, tools)
    const registry = createRegistry({ settings: tools.settings, tls: { insecure, insecureSkipTLSVerify }, credentials })
    try {
      const { digest } = await registry.headManifest(reference, tools.signal)
      return { kind: 'exists', digest }
    } finally {
      await registry.close()
    }
  } catch (error) {
    return toResult(error)
  }
}
