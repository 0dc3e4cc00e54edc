import { join } from 'node:path'

/** The folder for what is slow to make or to fetch and can be made again: `$KMM_CACHE`, else `kmm` in the user's cache folder. */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>>, home: string): string {
  const { KMM_CACHE, XDG_CACHE_HOME } = environment
  return KMM_CACHE || join(XDG_CACHE_HOME || join(home, '.cache'), 'kmm')
}
