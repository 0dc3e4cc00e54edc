import { readFile } from 'node:fs/promises'
import { KmmError } from '../errors/error.ts'
import type { Clock } from './clock.ts'
import type { ConnectionSettings } from './connection.ts'

/** The bearer token of a connection. */
export interface TokenSource {
  /** Undefined when the connection has none. */
  get(): Promise<string | undefined>
  /** Reads the file anew, after the server refused `refused`; false when that can change nothing. */
  refresh(refused: string | undefined): Promise<boolean>
}

const readAgainAfterMs = 60_000

/** Reads a token file once a minute; a file that cannot be read for a while leaves the last token in use. */
export function createTokenSource(
  { token, tokenFile }: Pick<ConnectionSettings, 'token' | 'tokenFile'>,
  clock: Clock,
): TokenSource {
  if (tokenFile === undefined) return { get: () => Promise.resolve(token), refresh: () => Promise.resolve(false) }
  let current = token
  let readAtMs: number | undefined
  const read = async (): Promise<void> => {
    try {
      current = (await readFile(tokenFile, 'utf8')).trim()
      readAtMs = clock.monotonic()
    } catch (error) {
      if (current !== undefined) return
      throw new KmmError(`cannot read the token file ${tokenFile}`, { code: 'Unauthorized', cause: error })
    }
  }
  return {
    get: async () => {
      if (readAtMs === undefined || clock.monotonic() - readAtMs > readAgainAfterMs) await read()
      return current
    },
    refresh: async (refused) => {
      await read()
      return current !== refused
    },
  }
}
