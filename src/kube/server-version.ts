import type { KubeClient } from './client.ts'

/** A version of Kubernetes, as 1.34. */
export interface ServerVersion {
  major: number
  minor: number
}

/** Reads `gitVersion` of an API server, as `v1.34.1+k3s1`; undefined where it is no version. */
export function parseServerVersion(gitVersion: string): ServerVersion | undefined {
  const match = /^v?(\d+)\.(\d+)/.exec(gitVersion)
  return match ? { major: Number(match[1]), minor: Number(match[2]) } : undefined
}

/** True for a version before the other. */
export const isOlderVersion = (version: ServerVersion, other: ServerVersion): boolean =>
  version.major < other.major || (version.major === other.major && version.minor < other.minor)

/** `1.34`. */
export const formatServerVersion = ({ major, minor }: ServerVersion): string => `${major}.${minor}`

/** Asks the API server for its version; undefined where it answers with none. */
export async function readServerVersion(client: KubeClient, signal?: AbortSignal): Promise<ServerVersion | undefined> {
  const answer: unknown = JSON.parse(await client.getRaw('/version', signal))
  const gitVersion: unknown = typeof answer === 'object' && answer !== null && Reflect.get(answer, 'gitVersion')
  return typeof gitVersion === 'string' ? parseServerVersion(gitVersion) : undefined
}
