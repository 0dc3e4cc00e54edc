import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { serviceAccounts } from '../../kube/core-resources.ts'

/** Where the credentials of a Module's images are. */
export interface PullSecretSources {
  namespace: string
  /** Empty for none. */
  imageRepoSecret: string
  serviceAccountName: string
}

/**
 * Names of the secrets that a Module's images are pulled with, in the order in which they count: the Module's own, then
 * those of its service account, which is read now. An account that does not exist has none; whoever runs as it will say so.
 */
export async function listPullSecrets(
  { namespace, imageRepoSecret, serviceAccountName }: PullSecretSources,
  client: KubeClient,
  signal: AbortSignal,
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
