import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ContainerRoot } from '../kernel/container-paths.ts'
import { type KernelState, referencesOf } from '../kernel/state.ts'
import type { KernelStore } from '../kernel/store.ts'
import type { ModprobeConfiguration } from './configuration.ts'
import type { ModprobeOptions } from './options.ts'
import type { ModuleTree } from './tree.ts'

/** Where modprobe's words go, a line at a time, without the newline. */
export interface ModprobeOutput {
  print(line: string): void
  printError(line: string): void
}

/** One run of modprobe. */
export interface Session {
  options: ModprobeOptions
  container: ContainerRoot
  tree: ModuleTree
  configuration: ModprobeConfiguration
  store: KernelStore
  /** The boot in which modprobe was started: what was started in an earlier one changes nothing. */
  bootId: string
  output: ModprobeOutput
}

/** Says why it stops, or with `-a` why it leaves a module out; `-q` keeps it quiet. */
export function sayFatal({ options, output }: Session, message: string): void {
  if (!options.quiet) output.printError(`modprobe: ${options.all ? 'WARNING' : 'FATAL'}: ${message}`)
}

export function sayError({ options, output }: Session, message: string): void {
  if (!options.quiet) output.printError(`modprobe: ERROR: ${message}`)
}

/** Prints a step with `-v`. */
export function sayStep({ options, output }: Session, line: string): void {
  if (options.verbose || options.showDepends) output.print(line)
}

/** True when the module is in the kernel, loaded or built in. */
export function isInKernel(session: Session, state: KernelState, name: string): boolean {
  return session.tree.isBuiltin(name) || state.loaded[name] !== undefined
}

/** The references of a module; undefined when it is not loaded. */
export function countReferences(state: KernelState, name: string): number | undefined {
  return state.loaded[name] === undefined ? undefined : referencesOf(state, name)
}

/** The file at the root of a sandbox container that says what its processes may do. */
export const containerFile = '.container.json'

/** False in a container whose pod was not given the capability to load modules. */
export function mayLoadModules({ root }: ContainerRoot): boolean {
  const path = join(root, containerFile)
  if (!existsSync(path)) return true
  const container = JSON.parse(readFileSync(path, 'utf8')) as { capabilities?: string[]; privileged?: boolean }
  return container.privileged === true || (container.capabilities ?? []).includes('SYS_MODULE')
}
