import { defaultDirName } from './defaults.ts'
import type { ModprobeArgs, ModprobeSpec } from './module-parts.ts'
import type { ModuleConfig } from './node-modules-config.ts'

type InTreeFields = Pick<ModuleConfig, 'inTreeModuleToRemove' | 'inTreeModulesToRemove'>

/**
 * The in-tree modules to remove before a load, in order and without duplicates: the list, then the deprecated single
 * (the mission's example sets both and means both).
 */
export function listInTreeModules(config: InTreeFields): string[] {
  const single = config.inTreeModuleToRemove ?? ''
  const names = [...(config.inTreeModulesToRemove ?? []), ...(single === '' ? [] : [single])]
  return [...new Set(names)]
}

function sameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  const left = a ?? []
  const right = b ?? []
  return left.length === right.length && left.every((item, index) => item === right[index])
}

const sameText = (a: string | undefined, b: string | undefined): boolean => (a ?? '') === (b ?? '')

function sameArgs(a: ModprobeArgs | undefined, b: ModprobeArgs | undefined): boolean {
  return sameList(a?.load, b?.load) && sameList(a?.unload, b?.unload)
}

/** The folder of the image that holds `lib/modules`: absent and empty mean the default. */
export function dirNameOf(modprobe: ModprobeSpec): string {
  return modprobe.dirName === undefined || modprobe.dirName === '' ? defaultDirName : modprobe.dirName
}

function sameModprobe(a: ModprobeSpec, b: ModprobeSpec): boolean {
  return (
    sameText(a.moduleName, b.moduleName) &&
    dirNameOf(a) === dirNameOf(b) &&
    sameText(a.firmwarePath, b.firmwarePath) &&
    sameList(a.parameters, b.parameters) &&
    sameList(a.modulesLoadingOrder, b.modulesLoadingOrder) &&
    sameArgs(a.args, b.args) &&
    sameArgs(a.rawArgs, b.rawArgs)
  )
}

/**
 * True when two configurations put the same thing into the kernel, so that going from one to the other needs no reload.
 *
 * Absent, empty and default values are the same, because the Go operator writes them differently (upstream: take-over
 * notes). How the image is fetched (pull policy, TLS, digest) does not count: it is for the next load. Names of modules
 * are compared as written, `-` and `_` apart.
 */
export function sameKernelState(a: ModuleConfig, b: ModuleConfig): boolean {
  return (
    a.containerImage === b.containerImage &&
    a.kernelVersion === b.kernelVersion &&
    sameList(listInTreeModules(a), listInTreeModules(b)) &&
    sameModprobe(a.modprobe, b.modprobe)
  )
}
