import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long locks live and how often they are looked at, in milliseconds. */
export interface LockTimes {
  poll: number
  refresh: number
  /** A lock that was not refreshed for so long belongs to a worker that is gone. */
  stale: number
  /** Longest wait; after it the work is done without the lock, which costs bandwidth and nothing else. */
  patience: number
}

export const defaultLockTimes: LockTimes = { poll: 100, refresh: 5_000, stale: 30_000, patience: 300_000 }

/**
 * Runs `work` while holding the lock file at `path`, so that two workers of one node do not download the same layer side by
 * side. Process numbers mean nothing across containers, so a holder shows that it lives by touching the file.
 */
export async function withLock<T>(
  path: string,
  times: LockTimes,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T> {
  const token = randomUUID()
  const isHeld = await acquire(path, token, times, signal)
  const refresh = setInterval(() => {
    if (isHeld) utimes(path, new Date(), new Date()).catch(() => {}) // Somebody took it: no harm, see above.
  }, times.refresh)
  try {
    return await work()
  } finally {
    clearInterval(refresh)
    if (isHeld) await release(path, token)
  }
}

async function acquire(path: string, token: string, times: LockTimes, signal: AbortSignal): Promise<boolean> {
  const deadline = Date.now() + times.patience
  while (Date.now() < deadline) {
    if (await create(path, token)) return true
    if (await isStale(path, times)) {
      // Renaming decides between several that find it stale: only one gets it.
      const grave = `${path}.${token}`
      await rename(path, grave).catch(() => {})
      await rm(grave, { force: true })
    } else await sleep(times.poll, undefined, { signal })
  }
  return false
}

async function create(path: string, token: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600)
    await handle.writeFile(token)
    await handle.close()
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isStale(path: string, times: LockTimes): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < Date.now() - times.stale
  } catch {
    return false // It has just gone.
  }
}

async function release(path: string, token: string): Promise<void> {
  const holder = await readFile(path, 'utf8').catch(() => '')
  if (holder === token) await rm(path, { force: true })
}
