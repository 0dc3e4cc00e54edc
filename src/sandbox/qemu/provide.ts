import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Answers a folder of the cache, made by `make` if it is not there. It is made beside and renamed when it is whole, so that
 * a process that is killed leaves nothing half, and two that make it at once do not disturb each other.
 */
export async function provideFolder(folder: string, make: (temporary: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const temporary = `${folder}.new-${randomBytes(4).toString('hex')}`
  await mkdir(temporary)
  try {
    await make(temporary)
    await rename(temporary, folder)
  } catch (error) {
    // Another process was faster.
    if (!existsSync(folder)) throw error
  } finally {
    await rm(temporary, { recursive: true, force: true })
  }
  return folder
}
