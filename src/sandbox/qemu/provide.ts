import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What nobody has used for so long is removed when its neighbour is made: its inputs have changed, so nobody will. */
const keepMs = 14 * 24 * 3_600_000

/** Removes the folders beside one that were not used for two weeks, those that a killed process has left half among them. */
async function removeUnused(folder: string, nowMs: number): Promise<void> {
  const parent = dirname(folder)
  for (const name of await readdir(parent)) {
    const path = join(parent, name)
    const { mtimeMs = nowMs } = (await stat(path).catch(() => undefined)) ?? {}
    if (nowMs - mtimeMs > keepMs) await rm(path, { recursive: true, force: true })
  }
}

/**
 * Answers a folder of the cache, made by `make` if it is not there. It is made beside and renamed when it is whole, so that
 * a process that is killed leaves nothing half, and two that make it at once do not disturb each other.
 */
export async function provideFolder(
  folder: string,
  make: (temporary: string) => Promise<void>,
  nowMs = Date.now(),
): Promise<string> {
  const now = nowMs / 1000
  if (existsSync(folder)) {
    // Its time says when it was used last. Somebody else's cache can be used, too.
    await utimes(folder, now, now).catch(() => undefined)
    return folder
  }
  await mkdir(dirname(folder), { recursive: true })
  const temporary = `${folder}.new-${randomBytes(4).toString('hex')}`
  await mkdir(temporary)
  try {
    await make(temporary)
    await rename(temporary, folder)
    await utimes(folder, now, now)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  await removeUnused(folder, nowMs)
  return folder
}
