import type { TLSOptions } from '../../../api/module.ts'
import { hasCode, KmmError } from '../../../errors/error.ts'
import { withDeadline } from '../../../kube/deadline.ts'
import { createEmptyCredentials, type CredentialStore } from '../../../oci/credentials.ts'
import { parseReference } from '../../../oci/reference.ts'
import type { Registry } from '../../../oci/registry.ts'
import type { PullSecretSources } from '../../cluster/pull-secrets.ts'
import { readPullCredentials, type RegistryTools, withRegistry } from '../read-credentials.ts'

/** An image that a build starts from; the digest is empty where nobody could find it out. */
export interface BaseImage {
  image: string
  digest: string
}

const longestMs = 20_000

async function findDigest(registry: Registry, image: string, signal: AbortSignal): Promise<string> {
  const reference = parseReference(image)
  if (reference.digest !== undefined) return reference.digest
  return (await registry.headManifest(reference, signal)).digest
}

async function readCredentials(sources: PullSecretSources, tools: RegistryTools): Promise<CredentialStore> {
  try {
    return (await readPullCredentials(sources, tools)).credentials
  } catch (error) {
    // A pull secret that cannot be read is no credential; the check of the image itself says so.
    if (hasCode(error, 'ConfigurationInvalid')) return createEmptyCredentials()
    throw error
  }
}

/**
 * Asks the registries what the names of base images mean now, with the Module's credentials. Never fails for a registry: the build
 * will say what is wrong with it, if anything is; the builder may reach what the operator cannot.
 */
export async function resolveBaseImages(
  images: readonly string[],
  tls: TLSOptions | undefined,
  sources: PullSecretSources,
  tools: RegistryTools,
): Promise<BaseImage[]> {
  if (images.length === 0) return []
  const unknown = (image: string) => (error: unknown) => {
    if (tools.signal.aborted || !(error instanceof KmmError)) throw error
    return { image, digest: '' }
  }
  const signal = withDeadline(longestMs, tools.signal)
  const credentials = await readCredentials(sources, tools)
  return withRegistry({ credentials, tls, retries: { attempts: 1 } }, tools, (registry) =>
    Promise.all(
      images.map((image) =>
        findDigest(registry, image, signal)
          .then((digest) => ({ image, digest }))
          .catch(unknown(image)),
      ),
    ),
  )
}
