import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { listInTreeModules } from '../api/module-config.ts'
import type { ModuleConfig } from '../api/node-modules-config.ts'
import { cleanText } from '../kmod/clean-text.ts'
import { modprobeDirectory } from '../kmod/modprobe-arguments.ts'
import type { ModuleInfo } from '../kmod/modinfo.ts'
import { isSameModule, normalizeModuleName } from '../kmod/module-name.ts'
import { isBuiltFor, parseVermagic } from '../kmod/vermagic.ts'
import { type Host, locate } from './host.ts'
import type { ImageModule, ImageModules } from './image-modules.ts'
import { type LoadedModule, readLoadedModule } from './kernel-state.ts'
import type { RunContext } from './run-context.ts'
import { isSameKernel } from './unpack.ts'
import { listWantedModules } from './wanted-modules.ts'
import { WorkerError } from './worker-error.ts'

/** Fails when the node runs another kernel than the configuration was made for: it has been rebooted since. */
export function checkKernel(host: Host, config: ModuleConfig): void {
  if (isSameKernel(config.kernelVersion, host.kernelRelease)) return
  throw new WorkerError(
    'KernelMismatch',
    `The configuration is for the kernel ${config.kernelVersion}, and the node runs ${host.kernelRelease}: the node was started with another kernel since. The operator chooses the image for it as soon as it sees that.`,
  )
}

/** How the kernel differs from what is wanted. */
export interface Comparison {
  /** Every wanted module is loaded as the image has it. */
  allLoaded: boolean
  /** The kernel's names of those that are. */
  loadedAsWanted: ReadonlySet<string>
}

/**
 * Compares the wanted modules with the image and with the kernel, before anything is changed. Fails with `ModuleNotInImage`,
 * `KernelMismatch`, or `OtherVersionLoaded` for a module that neither is the image's nor is to be removed as in-tree.
 */
export async function compareLoaded(context: RunContext, modules: ImageModules): Promise<Comparison> {
  const { host, config } = context
  const names = listWantedModules(config.modprobe)
  const loadedAsWanted = new Set<string>()
  for (const [at, name] of names.entries()) {
    if (at === 0) checkIsInImage(config, modules, name)
    const inImage = await modules.read(name)
    checkVermagic(context, inImage)
    const loaded = await readLoadedModule(host, name)
    if (!loaded) continue
    if (isAsInImage(loaded, inImage, isListed(config, loaded))) loadedAsWanted.add(loaded.name)
    else checkMayBeReplaced(loaded, inImage, isListed(config, loaded))
  }
  return { allLoaded: names.length > 0 && loadedAsWanted.size === names.length, loadedAsWanted }
}

function checkIsInImage(config: ModuleConfig, modules: ImageModules, name: string): void {
  if (modules.has(name)) return
  const folder = `${modprobeDirectory(config.modprobe.dirName).replace(/^\/tmp/, '')}/lib/modules/${config.kernelVersion}`
  throw new WorkerError(
    'ModuleNotInImage',
    modules.hasFiles
      ? `The image ${config.containerImage} has modules in ${folder}, but no ${name}: check moduleName, and that the module is copied into the image.`
      : `The image ${config.containerImage} has no kernel modules in ${folder}: check dirName and kernel version, and that the modules are copied there.`,
  )
}

/**
 * Fails for a module that was built for another kernel, while the in-tree modules are still there. With symbol versions
 * (`modversions`) the release in a module means nothing: the kernel compares symbols, and decides.
 */
function checkVermagic({ host, log }: RunContext, module: ImageModule | undefined): void {
  const vermagic = module?.info?.vermagic
  if (module === undefined || vermagic === undefined || isBuiltFor(vermagic, host.kernelRelease)) return
  const built = cleanText(vermagic, 200)
  if (parseVermagic(vermagic)?.flags.includes('modversions')) {
    log(`${module.path} was built for "${built}" and has symbol versions: the kernel decides whether it fits.`)
    return
  }
  throw new WorkerError(
    'KernelMismatch',
    `The module ${module.path} was built for "${built}", and the node runs ${host.kernelRelease}: build the image for this kernel, or correct the mapping that names it.`,
  )
}

/** True for a module of the kernel's own tree that the Module lists for removal. */
const isListed = (config: ModuleConfig, loaded: LoadedModule): boolean =>
  !loaded.isOutOfTree && listInTreeModules(config).some((name) => isSameModule(name, loaded.name))

/**
 * True when what is loaded is what the image has, as far as can be seen. Most modules of the kernel's own tree have no
 * srcversion: then one of its own is at least not taken for one that is not.
 */
export function isSameBuild(loaded: LoadedModule, { srcversion, inTree }: ModuleInfo): boolean {
  if (srcversion !== loaded.srcversion) return false
  return srcversion !== undefined || loaded.isOutOfTree === !inTree
}

function isAsInImage(loaded: LoadedModule, inImage: ImageModule | undefined, isToBeRemoved: boolean): boolean {
  // Nothing is known of the image's module, as for one that it links to on the host: modprobe leaves what is loaded.
  if (inImage?.info === undefined) return !isToBeRemoved
  return isSameBuild(loaded, inImage.info)
}

function checkMayBeReplaced(loaded: LoadedModule, inImage: ImageModule | undefined, isToBeRemoved: boolean): void {
  if (isToBeRemoved) return
  const inImageVersion = cleanText(inImage?.info?.srcversion ?? 'unknown', 60)
  const advice = loaded.isOutOfTree
    ? 'Unload it on the node, or delete the Module that has loaded it.'
    : `It comes with the node's kernel: list ${loaded.name} in inTreeModulesToRemove to replace it.`
  throw new WorkerError(
    'OtherVersionLoaded',
    `Another ${loaded.name} is loaded already (its srcversion is ${loaded.srcversion ?? 'unknown'}, the image's ${inImageVersion}). ${advice}`,
  )
}

const firmwareSuffixes = ['', '.xz', '.zst']

/**
 * Firmware files that the wanted modules declare and that are nowhere where the kernel would look: a hint, because drivers
 * declare more than they need. Empty where the worker cannot see the node's firmware.
 */
export async function findMissingFirmware(
  { host, config, firmwarePath }: RunContext,
  modules: ImageModules,
): Promise<string[]> {
  const folders = [...(firmwarePath === undefined ? [] : [firmwarePath]), '/lib/firmware'].map((path) =>
    locate(host, path),
  )
  const visible = (await Promise.all(folders.map(exists))).some(Boolean)
  if (!visible) return []
  const wanted = listWantedModules(config.modprobe).flatMap((name) => modules.listWithDependencies(name))
  const declared = await Promise.all(
    [...new Set(wanted.map(normalizeModuleName))].map((name) => readFirmwareOf(modules, name)),
  )
  const missing: string[] = []
  for (const file of new Set(declared.flat())) {
    const places = folders.flatMap((folder) =>
      ['', `updates/${host.kernelRelease}`, 'updates', host.kernelRelease].flatMap((sub) =>
        firmwareSuffixes.map((suffix) => join(folder, sub, `${file}${suffix}`)),
      ),
    )
    const found = await Promise.all(places.map(exists))
    if (!found.some(Boolean)) missing.push(file)
  }
  return missing
}

async function readFirmwareOf(modules: ImageModules, name: string): Promise<string[]> {
  const module = await modules.read(name).catch(() => undefined)
  const files = module?.info?.firmware ?? []
  return files.filter((file) => !file.split('/').includes('..') && !file.includes('\0')).slice(0, 1000)
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
