import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { holdersOf, type KernelState, referencesOf } from './state.ts'

const moduleFolder = (nodeRoot: string, name: string): string => join(nodeRoot, 'sys/module', name)

/** Where what is not shown yet, or no more, is for a moment; of this process alone. */
const asidePath = (nodeRoot: string, what: 'new' | 'gone'): string =>
  join(nodeRoot, 'kernel', `sysfs.${what}.${process.pid}`)

/** Other processes read at any time: they see what was there before or what is there now, never half of it. */
function writeWhole(nodeRoot: string, path: string, text: string): void {
  const aside = asidePath(nodeRoot, 'new')
  writeFileSync(aside, text)
  renameSync(aside, path)
}

function writeHolders(folder: string, holders: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  for (const holder of holders) mkdirSync(join(folder, holder), { recursive: true })
  for (const shown of readdirSync(folder)) if (!holders.includes(shown)) rmdirSync(join(folder, shown))
}

function writeReferences(nodeRoot: string, state: KernelState, name: string): void {
  const folder = moduleFolder(nodeRoot, name)
  writeHolders(join(folder, 'holders'), holdersOf(state, name))
  writeWhole(nodeRoot, join(folder, 'refcnt'), `${referencesOf(state, name)}\n`)
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
    if (text !== '' || file === 'taint') writeWhole(nodeRoot, join(folder, file), `${text}\n`)
  for (const [parameter, value] of Object.entries(module.parameters))
    writeWhole(nodeRoot, join(folder, 'parameters', parameter), `${value}\n`)
  for (const each of [name, ...module.depends]) writeReferences(nodeRoot, state, each)
  // Last, since it is what tells a reader that the module is there.
  writeWhole(nodeRoot, join(folder, 'initstate'), 'live\n')
}

/** Takes a module that has left the kernel away from `/sys/module`, and gives back the references that it held. */
export function hideModule(nodeRoot: string, state: KernelState, name: string, depends: readonly string[]): void {
  const aside = asidePath(nodeRoot, 'gone')
  rmSync(aside, { recursive: true, force: true })
  if (existsSync(moduleFolder(nodeRoot, name))) renameSync(moduleFolder(nodeRoot, name), aside)
  rmSync(aside, { recursive: true, force: true })
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

/** A file without a byte is one that a worker is writing: this often, and for so long, it is looked at again. */
const firmwareLooks = 100
const firmwarePauseMs = 2

/** The folder that the kernel looks for firmware in before all others; empty when none is set. */
export function readFirmwarePath(nodeRoot: string): string {
  const path = join(nodeRoot, firmwarePathFile)
  let text = readFileSync(path, 'utf8')
  for (let look = 1; text === '' && look < firmwareLooks; look += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, firmwarePauseMs)
    text = readFileSync(path, 'utf8')
  }
  return text.replace(/\n$/, '')
}

/** Sets that folder. */
export function writeFirmwarePath(nodeRoot: string, path: string): void {
  writeWhole(nodeRoot, join(nodeRoot, firmwarePathFile), `${path}\n`)
}
