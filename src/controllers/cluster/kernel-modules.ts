import type { ModprobeSpec } from '../../api/module-parts.ts'
import { isModuleName, normalizeModuleName } from '../../kmod/module-name.ts'

/**
 * The kernel modules that modprobe is asked for by name, as the kernel spells them. None where `rawArgs` say it all: what a
 * raw command line means is modprobe's matter.
 */
export function listKernelModules({ moduleName = '', modulesLoadingOrder, rawArgs }: ModprobeSpec): string[] {
  if ((rawArgs?.load ?? []).length > 0 || (rawArgs?.unload ?? []).length > 0) return []
  const names = [moduleName, ...(modulesLoadingOrder ?? [])].filter(isModuleName).map(normalizeModuleName)
  return [...new Set(names)]
}
