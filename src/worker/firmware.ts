import { randomUUID } from 'node:crypto'
import {
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path'
import { describeError } from '../errors/error.ts'
import { type Host, locate } from './host.ts'
import { WorkerError } from './worker-error.ts'

const classPath = '/sys/module/firmware_class/parameters/path'

/** Tells the kernel to look for firmware in `path` first, unless it does already (upstream: load, step 1). */
export async function setFirmwareClassPath(host: Host, path: string, log: (line: string) => void): Promise<void> {
  try {
    const present = await readFile(locate(host, classPath), 'utf8')
    // The kernel ends the line that it shows, whoever wrote it.
    if (present.replace(/\n$/, '') === path) return
    await writeFile(locate(host, classPath), path)
    log(`Set the kernel's firmware path from "${present.trim()}" to "${path}".`)
  } catch (error) {
    throw new WorkerError(
      'PermissionDenied',
      `The kernel's firmware path (${classPath}) could not be set to ${path}: ${describeError(error)}. Loading firmware needs a privileged worker pod; see that the namespace allows it, and worker.setFirmwareClassPath.`,
      error,
    )
  }
}

/** Files and links below a directory, as paths relative to it. Links to directories are not entered. */
export async function listFirmware(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/**
 * Copies firmware into the node's directory, over what is there (upstream: load, step 3). A file appears under its name only
 * when it is whole. A link arrives as a link when it stays within the firmware, else as a copy of the file that it leads to.
 */
export async function copyFirmware(from: string, to: string, log: (line: string) => void): Promise<number> {
  const files = await listFirmware(from)
  await mkdir(to, { recursive: true })
  const target = await realpath(to)
  const source = await realpath(from)
  for (const file of files) await copyOne({ source, target, file, log })
  return files.length
}

interface CopyStep {
  source: string
  target: string
  file: string
  log: (line: string) => void
}

async function copyOne({ source, target, file, log }: CopyStep): Promise<void> {
  const from = join(source, file)
  const temporary = join(target, dirname(file), `.kmm-${randomUUID()}`)
  await makeFolder(target, dirname(file))
  try {
    const link = (await lstat(from)).isSymbolicLink() ? await readlink(from) : undefined
    const leads = link === undefined || isAbsolute(link) ? undefined : resolve(dirname(from), link)
    if (link !== undefined && leads !== undefined && isBelow(source, leads)) await symlink(link, temporary)
    else if (
      link !== undefined &&
      !(await stat(from).then(
        (found) => found.isFile(),
        () => false,
      ))
    ) {
      log(`Firmware ${file} is left out: it is a link to ${link}, which is no file of the firmware.`)
      return
    } else await copyFile(from, temporary)
    await rename(temporary, join(target, file))
  } finally {
    await rm(temporary, { force: true })
  }
}

/** Makes a directory of the node's firmware. The node's own links there are followed only as long as they stay inside. */
async function makeFolder(target: string, folder: string): Promise<void> {
  let at = target
  for (const part of folder.split(sep).filter((each) => each !== '.')) {
    at = join(at, part)
    await mkdir(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
    if (!isBelow(target, await realpath(at))) {
      throw new WorkerError(
        'PermissionDenied',
        `The node's ${at} is a link out of its firmware directory: firmware is not copied through it.`,
      )
    }
  }
}

const isBelow = (root: string, path: string): boolean => path === root || path.startsWith(`${root}${sep}`)

/** Removes what `copyFirmware` has put there; directories stay, failures are only logged (upstream: unload, step 2). */
export async function removeFirmware(from: string, to: string, log: (line: string) => void): Promise<number> {
  const files = await listFirmware(from)
  const target = await realpath(to).catch(() => undefined)
  let removed = 0
  for (const file of target === undefined ? [] : files) {
    try {
      const folder = await realpath(join(target ?? '', dirname(file)))
      if (!isBelow(target ?? '', folder)) continue
      await rm(join(folder, file.slice(file.lastIndexOf('/') + 1)))
      removed += 1
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        log(`Firmware ${file} could not be removed: ${describeError(error)}.`)
    }
  }
  return removed
}
