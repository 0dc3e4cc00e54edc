import { listInTreeModules } from '../api/module-config.ts'
import { classifyModprobeFailure } from '../kmod/modprobe-failure.ts'
import { formatInTreeRemovalArguments, formatLoadArguments } from '../kmod/modprobe-arguments.ts'
import { copyFirmware, setFirmwareClassPath } from './firmware.ts'
import { locate } from './host.ts'
import { planInTreeRemoval } from './in-tree.ts'
import { type LoadedModule, readBuiltinModules, readLoadedModule, readLoadedModules } from './kernel-state.ts'
import { ImageModules } from './image-modules.ts'
import { checkKernel, compareLoaded, findMissingFirmware, type Comparison } from './load-checks.ts'
import { type ModprobeResult, runModprobe } from './modprobe.ts'
import { normalizeModuleName } from '../kmod/module-name.ts'
import { describeModprobeStop } from './modprobe-stop.ts'
import { readMountedImage } from './mounted-image.ts'
import { pullForLoad, type PulledImage } from './pull.ts'
import { measure, type RunContext, type RunResult, toPullContext } from './run-context.ts'
import { readSpared, remarkOnTaken, spareInTree } from './spare.ts'
import { type UnpackedImage, unpackImage } from './unpack.ts'
import { listWantedModules } from './wanted-modules.ts'
import { WorkerError } from './worker-error.ts'

/**
 * Loads a Module's kernel modules (upstream: load). Running it again changes nothing: what is loaded as the image has it
 * stays, and what is not the kernel's own is never removed as an in-tree module.
 */
export async function load(context: RunContext): Promise<RunResult> {
  const { config, log } = context
  checkKernel(context.host, config)
  const image = await measure(context, 'pull', () => fetchImage(context))
  const unpacked = await measure(context, 'extract', () => unpackImage(context, config, image))
  const modules = await ImageModules.open(unpacked.modulesFolder)
  const comparison = await compareLoaded(context, modules)
  const notes = [...image.notes]
  if (comparison.allLoaded) {
    log('All wanted modules are loaded already, as the image has them: nothing is to be done.')
    return { alreadyLoaded: true, message: describeLoaded('was loaded already', context, notes) }
  }
  await setUpFirmwarePath(context)
  notes.push(...(await measure(context, 'modprobe', () => removeInTreeModules(context, comparison))))
  await installFirmware(context, unpacked)
  await insertModules(context, modules)
  notes.push(...(await findWhatIsNotLoaded(context)))
  return { alreadyLoaded: false, message: describeLoaded('is loaded', context, notes) }
}

function fetchImage(context: RunContext): Promise<PulledImage> {
  const { config, imageFolder } = context
  if (imageFolder !== undefined) return readMountedImage(context, imageFolder)
  return pullForLoad(toPullContext(context), config)
}

function describeLoaded(what: string, { config }: RunContext, notes: readonly string[]): string {
  const name = config.modprobe.moduleName ?? ''
  return [`${name === '' ? 'the module' : name} ${what}`, ...notes].join('; ')
}

async function setUpFirmwarePath({ host, firmwarePath, log }: RunContext): Promise<void> {
  if (firmwarePath !== undefined) await setFirmwareClassPath(host, firmwarePath, log)
}

/** Answers remarks for the report. */
async function removeInTreeModules(context: RunContext, comparison: Comparison): Promise<string[]> {
  const { host, config, log } = context
  const names = listInTreeModules(config)
  if (names.length === 0) return []
  const plan = planInTreeRemoval({
    names,
    loaded: await readLoadedModules(host, names),
    builtin: await readBuiltinModules(host),
    alreadyLoaded: comparison.loadedAsWanted,
  })
  for (const { name, why } of plan.kept) log(`The in-tree module ${name} is not removed: ${why}.`)
  if (plan.remove.length === 0) return []
  const directory = await spareInTree(context, plan.remove)
  const spared = await readSpared(context)
  const result = await runModprobe(context, formatInTreeRemovalArguments(plan.remove, directory))
  const remarks = await remarkOnTaken(context, spared)
  if (result.status !== 0) await failUnlessRemoved(context, plan.remove, result)
  return remarks
}

/** Fails for modprobe's failure, unless all of them are gone: somebody else on the node can have removed one at the same time. */
async function failUnlessRemoved(context: RunContext, names: readonly string[], result: ModprobeResult): Promise<void> {
  throwIfStopped(context, result)
  const loaded = await readLoadedModules(context.host, names)
  if (loaded.length === 0) return
  const failure = classifyModprobeFailure({
    action: 'removeInTree',
    moduleName: names.join(', '),
    stderr: result.stderr,
    stdout: result.stdout,
    kernelRelease: context.host.kernelRelease,
    holders: loaded.flatMap((module) => module.holders),
  })
  throw new WorkerError(failure.reason, failure.message)
}

async function installFirmware(
  { host, config, firmwarePath, log }: RunContext,
  unpacked: UnpackedImage,
): Promise<void> {
  const wanted = config.modprobe.firmwarePath ?? ''
  if (wanted === '') return
  if (unpacked.firmwareFolder === undefined) {
    throw new WorkerError(
      'FirmwareMissing',
      `The image ${config.containerImage} has no directory ${wanted}: put the firmware there when the image is built, or correct modprobe.firmwarePath.`,
    )
  }
  if (firmwarePath === undefined) {
    throw new WorkerError(
      'FirmwareMissing',
      `The Module has firmware in ${wanted}, and the operator does not say where it belongs on the node: set worker.setFirmwareClassPath in the operator's configuration.`,
    )
  }
  const files = await copyFirmware(unpacked.firmwareFolder, locate(host, firmwarePath), log)
  log(`Copied ${files} firmware files to ${firmwarePath}.`)
}

async function insertModules(context: RunContext, modules: ImageModules): Promise<void> {
  const { host, config } = context
  const result = await measure(context, 'modprobe', () => runModprobe(context, formatLoadArguments(config.modprobe)))
  if (result.status === 0) return
  throwIfStopped(context, result)
  const failure = classifyModprobeFailure({
    action: 'load',
    moduleName: config.modprobe.moduleName ?? (config.modprobe.rawArgs?.load ?? []).join(' '),
    stderr: result.stderr,
    stdout: result.stdout,
    kernelRelease: host.kernelRelease,
    hasParameters: (config.modprobe.parameters ?? []).length > 0 || (config.modprobe.rawArgs?.load ?? []).length > 0,
    missingFirmware: await findMissingFirmware(context, modules),
  })
  throw new WorkerError(failure.reason, failure.message)
}

function throwIfStopped(context: RunContext, result: ModprobeResult): void {
  if (result.killed) throw describeModprobeStop(context, result)
}

/**
 * Looks whether modprobe's word is true: it says nothing about modules of the loading order that it does not find, and takes
 * EEXIST from a module's own start for "loaded already". Fails when the Module's own module is not there.
 */
async function findWhatIsNotLoaded({ host, config, log }: RunContext): Promise<string[]> {
  const notes: string[] = []
  const builtin = await readBuiltinModules(host)
  for (const name of listWantedModules(config.modprobe)) {
    const loaded: LoadedModule | undefined = await readLoadedModule(host, name)
    if (loaded) continue
    const note = `modprobe reported no error, but ${name} is not among the loaded modules`
    log(`${note}.`)
    if (name === config.modprobe.moduleName && !builtin.has(normalizeModuleName(name)))
      throw new WorkerError(
        'Unknown',
        `${note}: it may have refused to start because what it registers is there already (EEXIST); dmesg on the node may say more.`,
      )
    notes.push(note)
  }
  return notes
}
