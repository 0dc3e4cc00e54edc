import { join } from 'node:path'
import { describeError, hasCode } from '../errors/error.ts'
import { formatUnloadArguments, modprobeDirectory } from '../kmod/modprobe-arguments.ts'
import { classifyModprobeFailure } from '../kmod/modprobe-failure.ts'
import { normalizeModuleName } from '../kmod/module-name.ts'
import { removeFirmware } from './firmware.ts'
import { locate } from './host.ts'
import { ImageModules } from './image-modules.ts'
import { type LoadedModule, readAllLoadedModules, readLoadedModules } from './kernel-state.ts'
import { isSameBuild } from './load-checks.ts'
import { runModprobe } from './modprobe.ts'
import { describeModprobeStop } from './modprobe-stop.ts'
import { findMountedBefore } from './mounted-image.ts'
import { pullForUnload, type PulledImage } from './pull.ts'
import { measure, type RunContext, type RunResult, toPullContext } from './run-context.ts'
import { readSpared, remarkOnTaken, spareInImage } from './spare.ts'
import { listForUnload, writeUnloadIndex } from './unload-index.ts'
import { isSameKernel, type UnpackedImage, unpackImage } from './unpack.ts'
import { listWantedModules } from './wanted-modules.ts'
import { WorkerError } from './worker-error.ts'

/**
 * Unloads a Module's kernel modules (upstream: unload). Succeeds when nothing of them is loaded. An image that can no longer
 * be had does not keep modules in the kernel: modprobe is then given an index of what the kernel says is loaded.
 */
export async function unload(context: RunContext): Promise<RunResult> {
  const { host, config, log } = context
  const names = listWantedModules(config.modprobe)
  const loaded = await readLoadedModules(host, names)
  const isNothingLoaded = names.length > 0 && loaded.length === 0
  if (isNothingLoaded) log(`None of ${names.join(', ')} is loaded.`)
  if (isNothingLoaded && !hasFirmware(context)) return { alreadyLoaded: false, message: 'nothing was loaded' }
  const unpacked = await fetchImage(context, names, loaded)
  const modules = unpacked && (await ImageModules.open(unpacked.modulesFolder))
  const foreign = modules ? await findForeign(modules, loaded) : []
  const isNothingOurs = loaded.length > 0 && foreign.length === loaded.length
  const message =
    isNothingLoaded || isNothingOurs
      ? describeNothingRemoved(context, foreign)
      : await removeLoaded(context, names, { loaded, modules })
  await removeInstalledFirmware(context, unpacked)
  return { alreadyLoaded: false, message }
}

const hasFirmware = ({ config, firmwarePath }: RunContext): boolean =>
  (config.modprobe.firmwarePath ?? '') !== '' && firmwarePath !== undefined

function describeNothingRemoved({ log }: RunContext, foreign: readonly LoadedModule[]): string {
  if (foreign.length === 0) return 'nothing was loaded'
  const message = `what is loaded as ${foreign.map((module) => module.name).join(', ')} is the kernel's own module and stays`
  log(`Not unloaded: ${message}.`)
  return message
}

/** Modules under the wanted names that are the kernel's own, not the image's: somebody else has loaded them since. */
async function findForeign(modules: ImageModules, loaded: readonly LoadedModule[]): Promise<LoadedModule[]> {
  const foreign: LoadedModule[] = []
  for (const module of loaded) {
    if (module.isOutOfTree) continue
    const inImage = await modules.read(module.name).catch(() => undefined)
    if (inImage?.info !== undefined && !isSameBuild(module, inImage.info)) foreign.push(module)
  }
  return foreign
}

/** The image's files, or undefined when it cannot be had and the unload can do without. */
async function fetchImage(
  context: RunContext,
  names: readonly string[],
  loaded: readonly LoadedModule[],
): Promise<UnpackedImage | undefined> {
  const { host, config, log } = context
  try {
    if (!isSameKernel(config.kernelVersion, host.kernelRelease)) {
      throw new WorkerError(
        'KernelMismatch',
        `The image is for the kernel ${config.kernelVersion}, and the node runs ${host.kernelRelease}.`,
      )
    }
    const findImage = async (): Promise<PulledImage> =>
      (await findMountedBefore(context)) ?? (await pullForUnload(toPullContext(context), config))
    const image = await measure(context, 'pull', findImage)
    return await measure(context, 'extract', () => unpackImage(context, config, image))
  } catch (error) {
    // Without the image, one of the kernel's own modules under the main name could be anybody's.
    const main = loaded.find((module) => module.name === normalizeModuleName(names[0] ?? ''))
    const isClear = names.length > 0 && (main === undefined || main.isOutOfTree)
    if (hasCode(error, 'Aborted', 'OutOfSpace') || !isClear) throw error
    log(`The image ${config.containerImage} cannot be had: ${describeError(error)}`)
    return undefined
  }
}

/** Removes the modules, and nothing that others ask for. Where the image does not know them, modprobe learns of them from the kernel. */
async function removeLoaded(
  context: RunContext,
  names: readonly string[],
  { loaded, modules }: { loaded: readonly LoadedModule[]; modules: ImageModules | undefined },
): Promise<string> {
  const { host, config, log, spared } = context
  const folder = join(modprobeDirectory(config.modprobe.dirName), 'lib/modules', host.kernelRelease)
  const unknown = loaded.filter(({ name }) => !modules?.isIndexed(name))
  if (unknown.length > 0) {
    const all = loaded.map((module) => module.name)
    log(`Unloading ${all.join(', ')} by what the kernel says of them.`)
    await writeUnloadIndex(locate(host, folder), listForUnload(await readAllLoadedModules(host), all, spared))
  } else {
    await spareInImage(context, folder, names)
  }
  return measure(context, 'modprobe', () => removeModules(context, names))
}

async function removeModules(context: RunContext, names: readonly string[]): Promise<string> {
  const { host, config } = context
  const spared = await readSpared(context)
  const result = await runModprobe(context, formatUnloadArguments(config.modprobe))
  const remarks = await remarkOnTaken(context, spared)
  if (result.killed) throw describeModprobeStop(context, result)
  const left = await readLoadedModules(host, names)
  const target = config.modprobe.moduleName ?? (config.modprobe.rawArgs?.unload ?? []).join(' ')
  // Somebody else on the node can have removed one at the same time: then modprobe fails, and it is gone all the same.
  const isGone = left.length === 0 && (result.status === 0 || names.length > 0)
  if (isGone) return [`${target} is unloaded`, ...remarks].join('; ')
  const failure = classifyModprobeFailure({
    action: 'unload',
    moduleName: target,
    stderr: result.stderr,
    stdout: result.stdout,
    kernelRelease: host.kernelRelease,
    holders: left.flatMap((module) => module.holders),
  })
  if (result.status !== 0) throw new WorkerError(failure.reason, failure.message)
  throw describeLeft(left)
}

/** modprobe with `--wait` ends well when the time is over, whether or not the module was freed. */
function describeLeft(left: readonly LoadedModule[]): WorkerError {
  const still = left.map((module) => module.name).join(', ')
  const said = `modprobe reported no error, but ${still} is still loaded`
  if (left.some(({ refcnt = 0 }) => refcnt > 0))
    return new WorkerError('ModuleInUse', `${said}: it is in use; stop what uses it, KMM then tries again.`)
  return new WorkerError('Unknown', `${said}; the log of the worker pod may say more.`)
}

async function removeInstalledFirmware(context: RunContext, unpacked: UnpackedImage | undefined): Promise<void> {
  const { host, config, firmwarePath, log } = context
  if (!hasFirmware(context) || firmwarePath === undefined) return
  if (unpacked?.firmwareFolder === undefined) {
    log(
      `The firmware of ${config.containerImage} in ${firmwarePath} stays: without the image its file names are not known.`,
    )
    return
  }
  const removed = await removeFirmware(unpacked.firmwareFolder, locate(host, firmwarePath), log)
  log(`Removed ${removed} firmware files from ${firmwarePath}.`)
}
