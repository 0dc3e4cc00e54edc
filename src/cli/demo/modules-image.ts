import { readdir, readFile, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { ImageFile } from '../../oci/image-builder.ts'

/** Reads a folder of compiled modules as the files of a kmod image, below `/opt/lib/modules/<kernel>/`. */
export async function readModulesTree(folder: string, kernel: string): Promise<Record<string, ImageFile>> {
  const files: Record<string, ImageFile> = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const target = join('opt/lib/modules', kernel, relative(folder, path))
    if (entry.isFile()) files[target] = { data: await readFile(path) }
    else if (entry.isSymbolicLink()) files[target] = { linkname: await readlink(path) }
  }
  return files
}
