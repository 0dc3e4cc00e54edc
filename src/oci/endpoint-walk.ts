import { describeError, hasCode, KmmError } from '../errors/error.ts'
import type { Session } from './session.ts'

/** What mirrors answered before the registry itself was asked. */
function appendMirrors(error: unknown, problems: readonly string[]): unknown {
  if (problems.length === 0 || !(error instanceof KmmError)) return error
  const { code, fate, retryAfterMs } = error
  return new KmmError(`${error.message}; before that, ${problems.join('; ')}`, {
    code,
    fate,
    cause: error.cause,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

/**
 * Asks one endpoint after the other until one succeeds: the mirrors in their order, then the registry itself, whose error is the
 * one that is thrown, with the mirrors' problems added. An abort ends it at once.
 */
export async function walkEndpoints<T>(
  sessions: readonly Session[],
  ask: (session: Session) => Promise<T>,
): Promise<T> {
  const problems: string[] = []
  let last: unknown
  for (const session of sessions)
    try {
      return await ask(session)
    } catch (error) {
      if (hasCode(error, 'Aborted')) throw error
      last = error
      const { registry } = session.endpoint.reference
      if (session.endpoint.isMirror) problems.push(`mirror ${registry} failed (${describeError(error).slice(0, 300)})`)
    }
  throw appendMirrors(last, problems)
}
