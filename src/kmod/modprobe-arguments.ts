import path from 'node:path'
import { KmmError } from '../errors/error.ts'

/** Arguments for one direction each, as in the Module's `modprobe.args` and `modprobe.rawArgs`. */
interface ModprobeArgumentLists {
  load?: readonly string[] | undefined
  unload?: readonly string[] | undefined
}

/** What the command lines are made of: the part of a Module's `modprobe` that matters to them. */
export interface ModprobeInput {
  moduleName?: string | undefined
  parameters?: readonly string[] | undefined
  /** Folder in the image that holds `lib/modules`; `/opt` if empty. */
  dirName?: string | undefined
  args?: ModprobeArgumentLists | undefined
  rawArgs?: ModprobeArgumentLists | undefined
  modulesLoadingOrder?: readonly string[] | undefined
}

/** Where the worker extracts an image. */
export const extractionRoot = '/tmp'

/** The folder that modprobe takes as its root, `/tmp` and `dirName`; never outside `/tmp`, whatever `dirName` is. */
export function modprobeDirectory(dirName: string | undefined): string {
  const inside = path.posix.join('/', dirName === undefined || dirName === '' ? '/opt' : dirName)
  return path.posix.join(extractionRoot, inside).replace(/\/$/, '')
}

/** Arguments of modprobe that load: `-vd /tmp<dirName> [args.load] name [parameters]`, or `rawArgs.load` alone (upstream: worker, load). */
export function formatLoadArguments(modprobe: ModprobeInput): string[] {
  if (hasRawArguments(modprobe, 'load')) return [...(modprobe.rawArgs?.load ?? [])]
  return [
    '-vd',
    modprobeDirectory(modprobe.dirName),
    ...(modprobe.args?.load ?? []),
    requireModuleName(modprobe),
    ...(modprobe.parameters ?? []),
  ]
}

/** Arguments of modprobe that unload: `-rvd /tmp<dirName> [args.unload] names`, or `rawArgs.unload` alone (upstream: worker, unload). */
export function formatUnloadArguments(modprobe: ModprobeInput): string[] {
  if (hasRawArguments(modprobe, 'unload')) return [...(modprobe.rawArgs?.unload ?? [])]
  return [
    '-rvd',
    modprobeDirectory(modprobe.dirName),
    ...(modprobe.args?.unload ?? []),
    ...listUnloadedModules(modprobe),
  ]
}

/**
 * Arguments of modprobe that remove in-tree modules, from the host's own tree: `-rv names` (upstream: worker, load); or from
 * what stands for it below `directory`.
 */
export function formatInTreeRemovalArguments(moduleNames: readonly string[], directory?: string): string[] {
  return [...(directory === undefined ? ['-rv'] : ['-rvd', directory]), ...moduleNames]
}

/** The modules that an unload names, in its order: the whole loading order, or the one module. */
export function listUnloadedModules(modprobe: ModprobeInput): string[] {
  const order = modprobe.modulesLoadingOrder ?? []
  return order.length > 0 ? [...order] : [requireModuleName(modprobe)]
}

/** An empty `rawArgs: {}` beside a name says nothing; admission lets it pass. */
function hasRawArguments({ rawArgs }: ModprobeInput, direction: 'load' | 'unload'): boolean {
  return (rawArgs?.[direction]?.length ?? 0) > 0
}

function requireModuleName({ moduleName }: ModprobeInput): string {
  if (moduleName !== undefined && moduleName !== '') return moduleName
  throw new KmmError(
    'the Module names no kernel module: set spec.moduleLoader.container.modprobe.moduleName, or rawArgs with load and unload',
    { code: 'ConfigurationInvalid', fate: 'terminal' },
  )
}
