import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, KmmError } from '../errors/error.ts'
import { findLoadOrder, type ModuleDependencies, parseModulesDep } from '../kmod/dependencies.ts'
import { type ModuleInfo, readModuleFile } from '../kmod/modinfo.ts'
import { normalizeModuleName, parseModuleFileName } from '../kmod/module-name.ts'

/** A module of the image. */
export interface ImageModule {
  /** The kernel's spelling. */
  name: string
  /** Relative to the kernel's directory in the image. */
  path: string
  /** Undefined for a file that is too large to look into, or that lies on the host. */
  info: ModuleInfo | undefined
}

/** Larger files are left to the kernel alone: worker pods are small. */
const maxInspectedBytes = 64 * 1024 * 1024

/** The modules in one `lib/modules/<kernel>` of an extracted image. */
export class ImageModules {
  readonly #folder: string
  readonly #files: ReadonlyMap<string, string>
  readonly #dependencies: ReadonlyMap<string, ModuleDependencies>

  private constructor(
    folder: string,
    files: Map<string, string>,
    dependencies: ReadonlyMap<string, ModuleDependencies>,
  ) {
    this.#folder = folder
    this.#files = files
    this.#dependencies = dependencies
  }

  /** Reads the names of all module files, links to directories not entered, and `modules.dep`. */
  static async open(folder: string): Promise<ImageModules> {
    const files = new Map<string, string>()
    const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
    for (const entry of entries) {
      const name = entry.isDirectory() ? undefined : parseModuleFileName(entry.name)
      if (name !== undefined) files.set(name, join(entry.parentPath, entry.name).slice(folder.length + 1))
    }
    const text = await readFile(join(folder, 'modules.dep'), 'utf8').catch(() => '')
    return new ImageModules(folder, files, parseModulesDep(text))
  }

  get hasFiles(): boolean {
    return this.#files.size > 0
  }

  /** True when `depmod` knows the module, or at least a file of that name is there. */
  has(name: string): boolean {
    return this.#dependencies.has(normalizeModuleName(name)) || this.#files.has(normalizeModuleName(name))
  }

  /** True when `depmod` knows the module, so that modprobe finds it. */
  isIndexed(name: string): boolean {
    return this.#dependencies.has(normalizeModuleName(name))
  }

  /** The module and what `depmod` says that it needs, in the order of loading. */
  listWithDependencies(name: string): string[] {
    return findLoadOrder(this.#dependencies, name)?.map((module) => module.name) ?? [normalizeModuleName(name)]
  }

  /** Reads a module's own description; undefined where the image has no file for it. Throws `ModuleFileInvalid`. */
  async read(name: string): Promise<ImageModule | undefined> {
    const known = normalizeModuleName(name)
    const path = this.#files.get(known)
    if (path === undefined) return undefined
    const full = join(this.#folder, path)
    const found = await stat(full).catch(() => undefined)
    if (found === undefined || !found.isFile() || found.size > maxInspectedBytes)
      return { name: known, path, info: undefined }
    try {
      return { name: known, path, info: await readModuleFile(await readFile(full), maxInspectedBytes * 4) }
    } catch (error) {
      if (!hasCode(error, 'ModuleFileInvalid')) throw error
      const { message, code, fate, cause } = error
      throw new KmmError(`The image's ${path} cannot be used: ${message}; build the image again`, { code, fate, cause })
    }
  }
}
