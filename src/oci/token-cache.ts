import type { Authorization, AuthorizationOutcome } from './tokens.ts'

/** Keeps what registries accepted, by registry, scope and credential, until it expires; may be shared by clients. */
export interface TokenCache {
  get(key: string, now: number): string | undefined
  delete(key: string): void
  /** Fetches once for all that ask for the same key at the same time, and keeps a success. */
  fetch(
    key: string,
    fetchOutcome: () => Promise<AuthorizationOutcome | undefined>,
  ): Promise<AuthorizationOutcome | undefined>
}

const maximumEntries = 1000

/** Makes an empty cache that holds at most a thousand tokens; the oldest goes first. */
export function createTokenCache(): TokenCache {
  const kept = new Map<string, Authorization>()
  const running = new Map<string, Promise<AuthorizationOutcome | undefined>>()

  const keep = (key: string, authorization: Authorization): void => {
    kept.delete(key)
    kept.set(key, authorization)
    const oldest = kept.keys().next().value
    if (kept.size > maximumEntries && oldest !== undefined) kept.delete(oldest)
  }

  return {
    get: (key, now) => {
      const found = kept.get(key)
      return found && found.expiresAt > now ? found.header : undefined
    },
    delete: (key) => {
      kept.delete(key)
    },
    fetch: (key, fetchOutcome) => {
      const present = running.get(key)
      if (present) return present
      const started = fetchOutcome()
        .then((outcome) => {
          if (outcome?.type === 'authorization') keep(key, outcome.authorization)
          return outcome
        })
        .finally(() => running.delete(key))
      running.set(key, started)
      return started
    },
  }
}
