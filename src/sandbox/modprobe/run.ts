import { openContainerRoot, resolveInContainer } from '../kernel/container-paths.ts'
import { KernelStore } from '../kernel/store.ts'
import { readConfiguration } from './configuration.ts'
import { loadModule } from './load.ts'
import { type ModprobeOptions, parseOptions, UsageError } from './options.ts'
import { type ModprobeOutput, sayError, type Session } from './session.ts'
import { ModuleTree } from './tree.ts'
import { unloadModule } from './unload.ts'

/** Where and as what modprobe runs. */
export interface ModprobeEnvironment {
  /** The root that it sees: a container's, or the node's. */
  root: string
  kernelRelease: string
  output: ModprobeOutput
}

function parse(argv: readonly string[], output: ModprobeOutput): ModprobeOptions | undefined {
  try {
    return parseOptions(argv)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    output.printError(`modprobe: ${error.message}`)
    return undefined
  }
}

function openSession(options: ModprobeOptions, environment: ModprobeEnvironment): Session {
  const container = openContainerRoot(environment.root)
  const resolve = (path: string): string => resolveInContainer(container, path)
  const label = `${options.dirname ?? ''}/lib/modules/${options.version ?? environment.kernelRelease}`
  const folder = resolve(label)
  const configuration = readConfiguration(options.configs, folder, resolve)
  const tree = new ModuleTree(label, folder, configuration)
  const store = new KernelStore(container.nodeRoot)
  return {
    options,
    container,
    tree,
    configuration,
    store,
    bootId: store.read().bootId,
    output: environment.output,
  }
}

/** Joins parameters to an argument string; a value with a blank is put in quotes. */
function joinParameters(words: readonly string[]): string {
  return words
    .map((word) => {
      const equals = word.indexOf('=')
      const value = word.slice(equals + 1)
      return equals >= 0 && value.includes(' ') && !/^["']/.test(value) ? `${word.slice(0, equals)}="${value}"` : word
    })
    .join(' ')
}

async function runSession(session: Session): Promise<boolean> {
  const { names, remove, all } = session.options
  const [first = '', ...parameters] = names
  if (!remove && !all) return loadModule(session, first, joinParameters(parameters))
  let ok = true
  for (const name of names) {
    ok = (remove ? await unloadModule(session, name) : await loadModule(session, name, '')) && ok
    // kmod 30 goes on after a failure when it inserts, and stops when it removes.
    if (remove && !ok) return false
  }
  return ok
}

/** Does what `modprobe` (kmod 30) does with these arguments, to a virtual kernel, in its words. Answers the exit status. */
export async function runModprobe(argv: readonly string[], environment: ModprobeEnvironment): Promise<number> {
  const { output } = environment
  const options = parse(argv, output)
  if (options === undefined) return 1
  if (options.show === 'version') {
    output.print('kmod version 30')
    return 0
  }
  if (options.show !== undefined) {
    output.printError(`modprobe: ERROR: the sandbox's modprobe does not imitate --${options.show}`)
    return 1
  }
  const session = openSession(options, environment)
  if (options.names.length === 0) {
    sayError(session, 'missing parameters. See -h.')
    return 1
  }
  return (await runSession(session)) ? 0 : 1
}
