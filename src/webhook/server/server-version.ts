import { isJsonObject } from '../../api/schema/json.ts'
import type { KubeClient } from '../../kube/client.ts'
import type { Clock } from '../../kube/clock.ts'
import { parseServerVersion, type ServerVersion } from '../module/dra.ts'
import type { ReadServerVersion } from '../review/admit.ts'

/** A cluster may be upgraded while this runs. */
const freshMs = 60_000

/** Asks the API server for its version, at most once a minute; undefined where it answers with none. */
export function createServerVersionReader(client: KubeClient, clock: Clock): ReadServerVersion {
  let known: { version: ServerVersion | undefined; atMs: number } | undefined
  return async () => {
    if (known !== undefined && clock.monotonic() - known.atMs < freshMs) return known.version
    const answer: unknown = JSON.parse(await client.getRaw('/version'))
    const gitVersion = isJsonObject(answer) ? answer['gitVersion'] : undefined
    const version = typeof gitVersion === 'string' ? parseServerVersion(gitVersion) : undefined
    known = { version, atMs: clock.monotonic() }
    return version
  }
}
