import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** A file that is made from the sources; its path is relative to the repository's root. */
export interface GeneratedFile {
  path: string
  text: string
}

/** The files below `folders`, all of which are generated, that nothing generates any more. */
export function findLeftovers(root: string, files: readonly GeneratedFile[], folders: readonly string[]): string[] {
  const wanted = new Set(files.map((file) => file.path))
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !wanted.has(path))
}

/** The paths whose file is absent or differs from what the sources say. */
export function findOutdated(root: string, files: readonly GeneratedFile[]): string[] {
  return files
    .filter(({ path, text }) => !existsSync(join(root, path)) || readFileSync(join(root, path), 'utf8') !== text)
    .map((file) => file.path)
}

/** Writes what is out of date and removes what is left over; returns the paths that it touched. */
export function writeGenerated(root: string, files: readonly GeneratedFile[], folders: readonly string[]): string[] {
  const outdated = findOutdated(root, files)
  for (const { path, text } of files.filter((file) => outdated.includes(file.path))) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const leftovers = findLeftovers(root, files, folders)
  for (const path of leftovers) rmSync(join(root, path))
  return [...outdated, ...leftovers]
}
