import type { TLSOptions } from '../../api/module.ts'
import { isTimeout } from '../../oci/network-failure.ts'
import type { Reference } from '../../oci/reference.ts'

/** For so long a registry that did not answer in time is not asked again. */
const silenceMs = 30_000
const mostPlaces = 1_000

/**
 * Knows which registries did not answer in time. Each question to one of them keeps a worker for minutes: one image's asks, and the others
 * are told what came of that.
 */
export interface SilentRegistries {
  /** Asks, or throws what was thrown last while the registry is silent. */
  ask<T>(place: string, ask: () => Promise<T>): Promise<T>
}

/** How a registry is reached: what holds of one way says nothing of another. */
export const formatPlace = ({ registry }: Reference, { insecure, insecureSkipTLSVerify }: TLSOptions = {}): string =>
  JSON.stringify([registry, insecure === true, insecureSkipTLSVerify === true])

interface Silence {
  error: unknown
  untilMs: number
  /** Somebody is finding out whether it still holds. */
  isAsked: boolean
}

/** Knows nothing of any registry yet. */
export function createSilentRegistries(now: () => number): SilentRegistries {
  const silences = new Map<string, Silence>()
  const note = (place: string, error: unknown): void => {
    silences.delete(place)
    if (!isTimeout(error)) return
    silences.set(place, { error, untilMs: now() + silenceMs, isAsked: false })
    const [oldest] = silences.keys()
    if (silences.size > mostPlaces && oldest !== undefined) silences.delete(oldest)
  }
  return {
    async ask(place, ask) {
      const silence = silences.get(place)
      if (silence !== undefined) {
        if (silence.isAsked || now() < silence.untilMs) throw silence.error
        silence.isAsked = true
      }
      try {
        const answer = await ask()
        silences.delete(place)
        return answer
      } catch (error) {
        note(place, error)
        throw error
      }
    },
  }
}
