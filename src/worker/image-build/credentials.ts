import type { CredentialKey } from '../../oci/credential-key.ts'
import type { Credential, CredentialStore } from '../../oci/credentials.ts'
import type { Reference } from '../../oci/reference.ts'

/** An image by the name under which a file of credentials knows its repository. */
type Repository = Pick<Reference, 'registry' | 'repository'>

/**
 * The text of the file of credentials that the builder gets: an entry for each image that it is known to pull or push, by
 * repository, since the builder knows no globs; besides them what pull secrets hold for registries and paths. `attempts` counts,
 * by repository, how many of the fitting credentials the registry has refused already: the next one's turn has come, as with the
 * kubelet. What only other clients can use is left out: a bearer token that is given as it is.
 */
export function formatAuthFile(
  credentials: CredentialStore,
  images: readonly Repository[],
  attempts: ReadonlyMap<string, number> = new Map(),
): string {
  const auths: Record<string, Record<string, string>> = {}
  // The most specific come first, those of the Module before others.
  for (const { key, credential } of credentials.entries) {
    const entry = /[*?]/.test(key.host) ? undefined : formatCredential(credential)
    if (entry !== undefined) auths[formatKey(key)] ??= entry
  }
  for (const image of images) {
    const name = nameRepository(image)
    const entry = listUsable(credentials, image)[attempts.get(name) ?? 0]
    if (entry !== undefined) auths[name] = entry
  }
  return JSON.stringify({ auths })
}

function formatKey({ host, port, path }: CredentialKey): string {
  return `${host}${port === '' ? '' : `:${port}`}${path === '' ? '' : `/${path}`}`
}

/** How many credentials can be tried for an image. */
export function countCredentials(credentials: CredentialStore, image: Repository): number {
  return listUsable(credentials, image).length
}

/** `registry/repository`. */
export function nameRepository({ registry, repository }: Repository): string {
  return `${registry}/${repository}`
}

function listUsable(credentials: CredentialStore, image: Repository): Record<string, string>[] {
  return credentials
    .findAll(image)
    .map(formatCredential)
    .filter((entry) => entry !== undefined)
}

function formatCredential(credential: Credential): Record<string, string> | undefined {
  const encode = (text: string): string => Buffer.from(text).toString('base64')
  if (credential.kind === 'basic') return { auth: encode(`${credential.username}:${credential.password}`) }
  // The user name that goes with tokens; without "auth" the entry would not be read.
  if (credential.kind === 'identityToken')
    return { auth: encode('00000000-0000-0000-0000-000000000000:'), identitytoken: credential.token }
  return undefined
}
