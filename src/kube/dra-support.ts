import { hasCode } from '../errors/error.ts'
import type { KubeClient } from './client.ts'
import { formatServerVersion, isOlderVersion, readServerVersion, type ServerVersion } from './server-version.ts'

/** The first version whose API for dynamic resource allocation KMM uses (upstream: DRA). */
const leastVersion: ServerVersion = { major: 1, minor: 34 }

const groupVersion = 'resource.k8s.io/v1'

/** Why a cluster of this version has no DRA that KMM can use, and what to do; undefined where it has. */
export function explainTooOldForDra(version: ServerVersion): string | undefined {
  if (!isOlderVersion(version, leastVersion)) return undefined
  const [least, present] = [formatServerVersion(leastVersion), formatServerVersion(version)]
  return `needs Kubernetes ${least} or later, and this cluster is ${present}; use devicePlugin, or upgrade the cluster`
}

async function servesDeviceClasses(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  try {
    const answer: unknown = JSON.parse(await client.getRaw(`/apis/${groupVersion}`, signal))
    const kinds: unknown = typeof answer === 'object' && answer !== null && Reflect.get(answer, 'resources')
    return Array.isArray(kinds) && kinds.some((kind: { name?: unknown } | null) => kind?.name === 'deviceclasses')
  } catch (error) {
    if (hasCode(error, 'NotFound')) return false
    throw error
  }
}

/** Asks the API server whether it keeps DeviceClasses; answers why not, and what to do, or undefined where it does. */
export async function findDraAbsence(client: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const version = await readServerVersion(client, signal)
  const tooOld = version && explainTooOldForDra(version)
  if (tooOld !== undefined) return `spec.dra ${tooOld}`
  if (await servesDeviceClasses(client, signal)) return undefined
  return `spec.dra needs DeviceClasses of ${groupVersion}, which this cluster's API server does not serve; switch that API on (--runtime-config), or use devicePlugin`
}
