import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import { readServerVersion, type ServerVersion } from '../../kube/server-version.ts'
import type { ReadServerVersion } from '../review/admit.ts'

/** A cluster may be upgraded while this runs. */
const freshMs = 60_000

/** Asks the API server for its version, at most once a minute; undefined where it answers with none. */
export function createServerVersionReader(client: KubeClient, clock: Clock): ReadServerVersion {
  let known: { version: ServerVersion | undefined; atMs: number } | undefined
  return async () => {
    if (known !== undefined && clock.monotonic() - known.atMs < freshMs) return known.version
    const version = await readServerVersion(client)
    known = { version, atMs: clock.monotonic() }
    return version
  }
}
