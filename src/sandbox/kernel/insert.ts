import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ModuleInfo } from '../../kmod/modinfo.ts'
import { parseVermagic } from '../../kmod/vermagic.ts'
import { findElfFault } from './elf-check.ts'
import type { Errno } from './errno.ts'
import { applyArguments } from './parameters.ts'
import { exampleBehaviours, type KernelState, type LoadedModule, type ModuleBehaviour } from './state.ts'
import type { ModuleSymbols } from './symbols.ts'
import { layoutOf, layoutSymbol, readLayout } from './symbol-versions.ts'
import { readFirmwarePath } from './sysfs.ts'
import { checkTrust, type TrustOutcome } from './trust.ts'

/** A module file that is to go into the kernel, read beforehand. */
export interface Insertion {
  nodeRoot: string
  name: string
  /** The plain file. */
  data: Uint8Array
  info: ModuleInfo
  symbols: ModuleSymbols
  /** The argument string. */
  parameters: string
  /** `modprobe -f`: vermagic is not looked at. */
  force: boolean
  /** The file is one of the node's own tree, which its distribution has signed. */
  ofDistribution: boolean
}

/** Success when `errno` is absent; `log` is what dmesg says. */
export interface InsertOutcome {
  errno?: Errno
  log: string[]
}

const freeLicenses = ['GPL', 'GPL v2', 'GPL and additional rights', 'Dual BSD/GPL', 'Dual MIT/GPL', 'Dual MPL/GPL']

/** What the code of a module does: as configured, or as the example modules do. */
export function behaviourOf(state: KernelState, name: string): ModuleBehaviour {
  return state.behaviours[name] ?? exampleBehaviours[name] ?? {}
}

/** A line that the kernel says once a boot: the first time, and nothing later. */
function sayOnce(state: KernelState, key: string, line: string): string[] {
  if (state.said.includes(key)) return []
  state.said.push(key)
  return [line]
}

interface KernelOutcome extends InsertOutcome {
  /** It goes in although nothing says that it is for this kernel. */
  isForced: boolean
}

function forceIn(state: KernelState, name: string, why: string): KernelOutcome {
  const log = [
    ...sayOnce(state, 'forced', `${name}: ${why}: kernel tainted.`),
    ...sayOnce(state, 'lock debugging', 'Disabling lock debugging due to kernel taint'),
  ]
  return { log, isForced: true }
}

const kernelFlags = ['SMP', 'preempt', 'mod_unload', 'modversions']

/** Whether a module is for this kernel: by the version of its symbols, then by its version magic. */
function checkKernel(state: KernelState, { name, data, info, force }: Insertion): KernelOutcome {
  const { vermagic = '' } = info
  const refuse = (why: string): KernelOutcome => ({ errno: 'ENOEXEC', log: [`${name}: ${why}`], isForced: false })
  // A module that is forced in is not compared with the kernel at all.
  if (force) return forceIn(state, name, layoutSymbol)
  const layout = readLayout(data)
  if (layout !== undefined && layout !== layoutOf(state.release))
    return refuse(`disagrees about version of symbol ${layoutSymbol}`)
  const built = parseVermagic(vermagic)
  if (built === undefined) return forceIn(state, name, 'bad vermagic')
  // The versions of symbols stand for the name of the kernel where there are some.
  const isOfRelease = layout !== undefined || built.release === state.release
  if (isOfRelease && built.flags.join() === kernelFlags.join()) return { log: [], isForced: false }
  const format = (release: string, flags: readonly string[]): string => `'${[release, ...flags].join(' ')} '`
  return refuse(`version magic ${format(built.release, built.flags)} should be ${format(state.release, kernelFlags)}`)
}

function findDuplicate(state: KernelState, { name, symbols }: Insertion): string | undefined {
  for (const owner of Object.values(state.loaded)) {
    const symbol = symbols.exports.find((each) => owner.exports.includes(each))
    if (symbol !== undefined) return `${name}: exports duplicate symbol ${symbol} (owned by ${owner.name})`
  }
  return undefined
}

/** Where a module gets what it needs: the loaded modules that export it, and the symbols that nobody has. */
function resolveSymbols(state: KernelState, { info, symbols }: Insertion): { providers: string[]; missing: string[] } {
  const loaded = Object.values(state.loaded)
  const providers = loaded
    .filter(
      (module) => info.depends.includes(module.name) || symbols.imports.some((name) => module.exports.includes(name)),
    )
    .map((module) => module.name)
  const missing = symbols.imports.filter(
    (name) => state.missingSymbols.includes(name) && !loaded.some((module) => module.exports.includes(name)),
  )
  const absent = info.depends.filter((name) => state.loaded[name] === undefined && !state.builtin.includes(name))
  for (const name of absent) missing.push(symbols.imports.find((symbol) => symbol.startsWith(name)) ?? name)
  return { providers, missing }
}

function findFirmware(nodeRoot: string, release: string, file: string): string | undefined {
  const own = readFirmwarePath(nodeRoot)
  const folders = [
    own,
    `/lib/firmware/updates/${release}`,
    '/lib/firmware/updates',
    `/lib/firmware/${release}`,
    '/lib/firmware',
  ]
  const paths = folders.filter((folder) => folder !== '').map((folder) => join(nodeRoot, folder, file))
  return paths.find((path) => existsSync(path))
}

/** What Debian's kernel says when a file is nowhere, for a device that has its driver's name. */
function sayMissing(state: KernelState, name: string, file: string): string[] {
  const failed = `platform ${name}: firmware: failed to load ${file} (-2)`
  const words = 'firmware_class: See https://wiki.debian.org/Firmware for information about missing firmware'
  const direct = `platform ${name}: Direct firmware load for ${file} failed with error -2`
  return [failed, ...sayOnce(state, 'firmware', words), failed, direct]
}

function loadFirmware(
  state: KernelState,
  { nodeRoot, name }: Insertion,
  values: Record<string, string>,
): InsertOutcome {
  const { needsFirmware = [], firmwareOptionalBy = '' } = behaviourOf(state, name)
  const log: string[] = []
  for (const file of needsFirmware) {
    const path = findFirmware(nodeRoot, state.release, file)
    if (path !== undefined) {
      log.push(`platform ${name}: firmware: direct-loading firmware ${file}`)
      log.push(`${name}: read ${statSync(path).size} bytes of ${file}`)
      continue
    }
    log.push(...sayMissing(state, name, file))
    if (values[firmwareOptionalBy] !== 'Y') return { errno: 'ENOENT', log }
    log.push(`${name}: goes on without ${file} (-2)`)
  }
  return { log }
}

/** What a module says of a parameter that its init refuses. */
function checkBounds(
  name: string,
  bounds: NonNullable<ModuleBehaviour['parameterBounds']>,
  values: Record<string, string>,
): string | undefined {
  for (const [parameter, { minimum, maximum }] of Object.entries(bounds)) {
    const value = values[parameter]
    if (value !== undefined && (Number(value) < minimum || Number(value) > maximum))
      return `${name}: ${parameter} is ${value} and has to be from ${minimum} to ${maximum}`
  }
  return undefined
}

/** Runs what stands for the module's init function; the kernel says nothing of its own about one that fails. */
function runInit(state: KernelState, insertion: Insertion, values: Record<string, string>): InsertOutcome {
  const { name, info } = insertion
  if (info.inTree) return { log: [] }
  const { parameterBounds = {}, absentBy = '', failInit, saysAtStart } = behaviourOf(state, name)
  const refusal = checkBounds(name, parameterBounds, values)
  if (refusal !== undefined) return { errno: 'EINVAL', log: [refusal] }
  const failure = values[absentBy] === 'Y' ? 'ENODEV' : failInit
  if (failure !== undefined) return { errno: failure, log: [] }
  const outcome = loadFirmware(state, insertion, values)
  if (outcome.errno !== undefined || saysAtStart === undefined) return outcome
  return { log: [...outcome.log, `${name}: ${saysAtStart}`] }
}

function taintOf({ info }: Insertion, isForced: boolean, isTrusted: boolean): string {
  const proprietary = !freeLicenses.includes(info.license ?? '')
  return [proprietary ? 'P' : '', isForced ? 'F' : '', info.inTree ? '' : 'O', isTrusted ? '' : 'E'].join('')
}

function addModule(
  state: KernelState,
  { name, info, symbols, data }: Insertion,
  rest: Pick<LoadedModule, 'taint' | 'depends' | 'parameters'>,
): void {
  const { srcversion = '', version = '' } = info
  const size = data.byteLength
  state.loaded[name] = { name, srcversion, version, exports: symbols.exports, uses: 0, holders: [], size, ...rest }
  state.history.push({ action: 'insert', module: name, srcversion, bootId: state.bootId })
}

/** Everything between the module's file having passed and its being in the kernel. */
function linkModule(state: KernelState, insertion: Insertion, taint: string): InsertOutcome {
  const { name, info } = insertion
  const { providers, missing } = resolveSymbols(state, insertion)
  if (missing.length > 0)
    return { errno: 'ENOENT', log: missing.map((symbol) => `${name}: Unknown symbol ${symbol} (err -2)`) }
  const duplicate = findDuplicate(state, insertion)
  if (duplicate !== undefined) return { errno: 'ENOEXEC', log: [duplicate] }
  const { values: given, errno, log } = applyArguments(name, info.parameters, insertion.parameters)
  if (errno !== undefined) return { errno, log }
  const values = info.inTree ? given : { ...behaviourOf(state, name).parameterDefaults, ...given }
  const init = runInit(state, insertion, values)
  if (init.errno === undefined) addModule(state, insertion, { taint, depends: providers, parameters: values })
  return { ...init, log: [...log, ...init.log] }
}

/** What taints the kernel is said of the first module of a boot that does it. */
function sayTaints(state: KernelState, { name, info }: Insertion, isTrusted: boolean): string[] {
  const outOfTree = `${name}: loading out-of-tree module taints kernel.`
  const unverified = `${name}: module verification failed: signature and/or required key missing - tainting kernel`
  return [
    ...(info.inTree ? [] : sayOnce(state, 'out of tree', outOfTree)),
    ...(isTrusted ? [] : sayOnce(state, 'unverified', unverified)),
  ]
}

/** What the kernel looks at before it reads a module's own tables: the signature, then the ELF header. */
function checkFile(state: KernelState, data: Uint8Array, ofDistribution: boolean): TrustOutcome {
  if (state.modulesDisabled) return { errno: 'EPERM', log: [] }
  const trust: TrustOutcome = ofDistribution ? { isTrusted: true, log: [] } : checkTrust(state, data)
  if (trust.errno !== undefined) return trust
  const fault = findElfFault(data, state.architecture)
  return fault === undefined ? trust : { errno: 'ENOEXEC', log: [...trust.log, fault] }
}

/** What init_module does with a file that nothing can be read from. */
export function refuseFile(state: KernelState, data: Uint8Array): InsertOutcome & { errno: Errno } {
  const { errno = 'ENOEXEC', log } = checkFile(state, data, false)
  return { errno, log }
}

/** What init_module does, in the kernel's order. On success the module is in `state`; the caller shows it in sysfs. */
export function insertModule(state: KernelState, insertion: Insertion): InsertOutcome {
  const file = checkFile(state, insertion.data, insertion.ofDistribution)
  if (file.errno !== undefined) return file
  const kernel = checkKernel(state, insertion)
  if (kernel.errno !== undefined) return { ...kernel, log: [...file.log, ...kernel.log] }
  if (state.loaded[insertion.name] !== undefined) return { errno: 'EEXIST', log: [...file.log, ...kernel.log] }
  const taints = sayTaints(state, insertion, file.isTrusted)
  const linked = linkModule(state, insertion, taintOf(insertion, kernel.isForced, file.isTrusted))
  return { ...linked, log: [...file.log, ...kernel.log, ...taints, ...linked.log] }
}

/** What delete_module does; on success the module is out of `state`. */
export function removeModule(state: KernelState, name: string, references: number): InsertOutcome {
  const module = state.loaded[name]
  if (module === undefined) return { errno: 'ENOENT', log: [] }
  if (state.modulesDisabled) return { errno: 'EPERM', log: [] }
  if (references > 0) return { errno: 'EAGAIN', log: [] }
  const { failRemove, saysAtEnd } = behaviourOf(state, name)
  if (failRemove !== undefined) return { errno: failRemove, log: [] }
  const isOurs = module.taint.includes('O')
  delete state.loaded[name]
  state.history.push({ action: 'remove', module: name, srcversion: module.srcversion, bootId: state.bootId })
  return { log: isOurs && saysAtEnd !== undefined ? [`${name}: ${saysAtEnd}`] : [] }
}
