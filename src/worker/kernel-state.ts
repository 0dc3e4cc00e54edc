import { readdir, readFile } from 'node:fs/promises'
import { parseModulesBuiltin } from '../kmod/dependencies.ts'
import { isModuleName, normalizeModuleName } from '../kmod/module-name.ts'
import { type Host, locate } from './host.ts'

/** A module that is in the kernel, as `/sys/module` shows it. */
export interface LoadedModule {
  /** The kernel's spelling. */
  name: string
  /** Undefined for a module that was built without. */
  srcversion: string | undefined
  refcnt: number | undefined
  /** Modules that use it. */
  holders: string[]
  /** True when the kernel has marked it as not from its own tree: `O` among the taints. */
  isOutOfTree: boolean
}

/** Looks a module up in the kernel, by either spelling. Undefined when it is not loaded, or part of the kernel itself. */
export async function readLoadedModule(host: Host, name: string): Promise<LoadedModule | undefined> {
  if (!isModuleName(name)) return undefined
  const known = normalizeModuleName(name)
  const read = (file: string): Promise<string | undefined> => readLine(host, `/sys/module/${known}/${file}`)
  // Modules that are part of the kernel have a directory too, but no state.
  const state = await read('initstate')
  if (state === undefined || state === 'going') return undefined
  const refcnt = Number(await read('refcnt'))
  return {
    name: known,
    srcversion: await read('srcversion'),
    refcnt: Number.isSafeInteger(refcnt) ? refcnt : undefined,
    holders: (await listFolder(host, `/sys/module/${known}/holders`)).sort(),
    isOutOfTree: (await read('taint'))?.includes('O') ?? false,
  }
}

/** Looks several modules up; those that are not loaded are left out, duplicates too. */
export async function readLoadedModules(host: Host, names: readonly string[]): Promise<LoadedModule[]> {
  const unique = [...new Set(names.map(normalizeModuleName))]
  const found = await Promise.all(unique.map((name) => readLoadedModule(host, name)))
  return found.filter((module) => module !== undefined)
}

/** Everything that is loaded. */
export async function readAllLoadedModules(host: Host): Promise<LoadedModule[]> {
  return readLoadedModules(host, await listFolder(host, '/sys/module'))
}

/** Names of the modules that are part of the node's kernel itself; none where the node does not say. */
export async function readBuiltinModules(host: Host): Promise<ReadonlySet<string>> {
  const path = locate(host, `/lib/modules/${host.kernelRelease}/modules.builtin`)
  return parseModulesBuiltin(await readFile(path, 'utf8').catch(() => ''))
}

async function readLine(host: Host, path: string): Promise<string | undefined> {
  const text = await readFile(locate(host, path), 'utf8').catch(() => undefined)
  return text?.trim()
}

function listFolder(host: Host, path: string): Promise<string[]> {
  return readdir(locate(host, path)).catch(() => [])
}
