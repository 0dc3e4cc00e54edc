import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { secrets } from '../../kube/core-resources.ts'
import { type CredentialStore, mergeCredentials, parseDockerConfig } from '../../oci/credentials.ts'
import { createRegistry, type Registry, type RegistryOptions } from '../../oci/registry.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { TokenCache } from '../../oci/token-cache.ts'
import type { TLSOptions } from '../../api/module.ts'
import { listPullSecrets, type PullSecretSources } from '../cluster/pull-secrets.ts'

/** What registries are asked with, as the Module may ask them. */
export interface RegistryTools {
  client: KubeClient
  settings: RegistrySettings
  /** Shared by all questions, to spare token requests. */
  tokens: TokenCache
  /** Makes the client that asks; the real one unless given. */
  openRegistry?: typeof createRegistry
  /** Told what of a pull secret is not used, and why. */
  warn: (message: string) => void
  signal: AbortSignal
}

/** The credentials of a Module, and the pull secrets (`namespace/name`) that it names and that do not exist. */
export interface PullCredentials {
  credentials: CredentialStore
  missing: readonly string[]
}

const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8')

const secretKinds = [
  ['.dockerconfigjson', 'dockerconfigjson'],
  ['.dockercfg', 'dockercfg'],
] as const

type CredentialTools = Pick<RegistryTools, 'client' | 'warn' | 'signal'>

/** The credentials of one secret; undefined for one that does not exist. */
async function readSecret(
  { namespace, name }: { namespace: string; name: string },
  { client, warn, signal }: CredentialTools,
): Promise<CredentialStore[] | undefined> {
  try {
    const { data = {} } = await client.get(secrets, { namespace, name }, signal)
    return secretKinds.flatMap(([key, kind]) => {
      const text = data[key]
      if (text === undefined) return []
      const { credentials, warnings } = parseDockerConfig(decode(text), kind)
      for (const warning of warnings) warn(`Secret ${namespace}/${name}: ${warning}`)
      return [credentials]
    })
  } catch (error) {
    // An absent secret is like an empty one: the registry's answer will tell.
    if (!hasCode(error, 'NotFound')) throw error
    return undefined
  }
}

/**
 * Reads the Module's pull secret and those of its service account, by name, now. Throws ConfigurationInvalid for a secret
 * that cannot be read, and the errors of the API server.
 */
export async function readPullCredentials(
  sources: PullSecretSources,
  tools: CredentialTools,
): Promise<PullCredentials> {
  const { namespace } = sources
  const names = await listPullSecrets(sources, tools.client, tools.signal)
  const stores = await Promise.all(names.map((name) => readSecret({ namespace, name }, tools)))
  return {
    credentials: mergeCredentials(stores.flatMap((store) => store ?? [])),
    missing: names.filter((_, index) => stores[index] === undefined).map((name) => `${namespace}/${name}`),
  }
}

/** Lets `work` ask a registry with credentials and TLS options, and ends the connections afterwards. */
export async function withRegistry<T>(
  {
    credentials,
    tls = {},
    ...more
  }: { credentials: CredentialStore; tls: TLSOptions | undefined } & Pick<RegistryOptions, 'retries'>,
  { settings, tokens, openRegistry = createRegistry }: Pick<RegistryTools, 'settings' | 'tokens' | 'openRegistry'>,
  work: (registry: Registry) => Promise<T>,
): Promise<T> {
  const { insecure = false, insecureSkipTLSVerify = false } = tls
  const registry = openRegistry({ settings, tls: { insecure, insecureSkipTLSVerify }, credentials, tokens, ...more })
  try {
    return await work(registry)
  } finally {
    await registry.close()
  }
}
