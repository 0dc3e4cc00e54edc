import type { ModprobeSpec } from '../api/module-parts.ts'
import { isModuleName } from '../kmod/module-name.ts'

/**
 * Names of the modules that a Module puts into the kernel, as written, the main one first. None where `rawArgs` say it all:
 * what a raw command line means is modprobe's matter.
 */
export function listWantedModules(modprobe: ModprobeSpec): string[] {
  if ((modprobe.rawArgs?.load ?? []).length > 0 || (modprobe.rawArgs?.unload ?? []).length > 0) return []
  const name = modprobe.moduleName ?? ''
  const names = [...(name === '' ? [] : [name]), ...(modprobe.modulesLoadingOrder ?? [])]
  return [...new Set(names)].filter(isModuleName)
}
