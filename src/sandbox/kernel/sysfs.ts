import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { holdersOf, type KernelState, referencesOf } from './state.ts'

const moduleFolder = (nodeRoot: string, name: string): string => join(nodeRoot, 'sys/module', name)

function writeReferences(nodeRoot: string, state: KernelState, name: string): void {
  const folder = moduleFolder(nodeRoot, name)
  writeFileSync(join(folder, 'refcnt'), `${referencesOf(state, name)}\n`)
  rmSync(join(folder, 'holders'), { recursive: true, force: true })
  mkdirSync(join(folder, 'holders'))
  for (const holder of holdersOf(state, name)) mkdirSync(join(folder, 'holders', holder))
}

/** Shows a loaded module below `/sys/module`, and the references that it takes of others. */
export function showModule(nodeRoot: string, state: KernelState, name: string): void {
  const module = state.loaded[name]
  if (module === undefined) return
  const folder = moduleFolder(nodeRoot, name)
  mkdirSync(join(folder, 'parameters'), { recursive: true })
  const files = {
    coresize: String(module.size),
    taint: module.taint,
    srcversion: module.srcversion,
    version: module.version,
  }
  for (const [file, text] of Object.entries(files))
    if (text !== '' || file === 'taint') writeFileSync(join(folder, file), `${text}\n`)
  for (const [parameter, value] of Object.entries(module.parameters))
    writeFileSync(join(folder, 'parameters', parameter), `${value}\n`)
  for (const each of [name, ...module.depends]) writeReferences(nodeRoot, state, each)
  // Last, since it is what tells a reader that the module is there.
  writeFileSync(join(folder, 'initstate'), 'live\n')
}

/** Takes a module that has left the kernel away from `/sys/module`, and gives back the references that it held. */
export function hideModule(nodeRoot: string, state: KernelState, name: string, depends: readonly string[]): void {
  rmSync(moduleFolder(nodeRoot, name), { recursive: true, force: true })
  for (const each of depends) if (state.loaded[each] !== undefined) writeReferences(nodeRoot, state, each)
}

/** Shows changed references of a module that stays. */
export function showReferences(nodeRoot: string, state: KernelState, name: string): void {
  if (state.loaded[name] !== undefined) writeReferences(nodeRoot, state, name)
}

/** What a kernel shows right after boot: no modules, the firmware path empty, its boot ID and release. */
export function showBoot(nodeRoot: string, state: KernelState): void {
  rmSync(join(nodeRoot, 'sys/module'), { recursive: true, force: true })
  mkdirSync(join(nodeRoot, 'sys/module/firmware_class/parameters'), { recursive: true })
  writeFirmwarePath(nodeRoot, '')
  mkdirSync(join(nodeRoot, 'proc/sys/kernel/random'), { recursive: true })
  writeFileSync(join(nodeRoot, 'proc/sys/kernel/random/boot_id'), `${state.bootId}\n`)
  writeFileSync(join(nodeRoot, 'proc/sys/kernel/osrelease'), `${state.release}\n`)
}

const firmwarePathFile = 'sys/module/firmware_class/parameters/path'

/** The folder that the kernel looks for firmware in before all others; empty when none is set. */
export function readFirmwarePath(nodeRoot: string): string {
  return readFileSync(join(nodeRoot, firmwarePathFile), 'utf8').replace(/\n$/, '')
}

/** Sets that folder. */
export function writeFirmwarePath(nodeRoot: string, path: string): void {
  writeFileSync(join(nodeRoot, firmwarePathFile), `${path}\n`)
}
