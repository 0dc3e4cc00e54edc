import { randomBytes } from 'node:crypto'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { Secret } from 'kubernetes-types/core/v1.js'
import type { KubeClient } from '../../kube/client.ts'
import { secrets } from '../../kube/core-resources.ts'

const secretName = 'kmm-worker-hash-key'
const minimumBytes = 32

/**
 * Reads the key by which the operator knows its own worker pods, and makes it where there is none. It outlives the
 * operator: with another key running workers would have to be run again.
 */
export async function loadHashKey(client: KubeClient, namespace: string, signal: AbortSignal): Promise<Buffer> {
  try {
    const { data } = await client.get(secrets, { namespace, name: secretName }, signal)
    const key = Buffer.from(data?.['key'] ?? '', 'base64')
    if (key.length >= minimumBytes) return key
    throw new KmmError(
      `Secret ${namespace}/${secretName} has no key of at least ${minimumBytes} bytes; delete it, and the operator makes another`,
      { code: 'ConfigurationInvalid', fate: 'terminal' },
    )
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
  }
  const key = randomBytes(minimumBytes)
  const secret: Secret = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace, name: secretName },
    type: 'Opaque',
    data: { key: key.toString('base64') },
  }
  try {
    await client.create(secrets, secret, { signal })
    return key
  } catch (error) {
    // Another replica was faster: its key counts.
    if (hasCode(error, 'AlreadyExists')) return loadHashKey(client, namespace, signal)
    throw error
  }
}
