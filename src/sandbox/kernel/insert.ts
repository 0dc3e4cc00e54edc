import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ModuleInfo } from '../../kmod/modinfo.ts'
import { parseVermagic } from '../../kmod/vermagic.ts'
import type { Errno } from './errno.ts'
import { applyArguments } from './parameters.ts'
import { checkSignature, type SignatureVerdict } from './signature-check.ts'
import { exampleBehaviours, type KernelState, type LoadedModule, type ModuleBehaviour } from './state.ts'
import type { ModuleSymbols } from './symbols.ts'
import { layoutOf, layoutSymbol, readLayout } from './symbol-versions.ts'
import { readFirmwarePath } from './sysfs.ts'

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

function checkTrust(
  state: KernelState,
  { data, info, ofDistribution }: Insertion,
): InsertOutcome & { verdict: SignatureVerdict } {
  if (ofDistribution) return { verdict: 'trusted', log: [] }
  const verdict = checkSignature(data, info.signature, state.trustedCertificates)
  if (verdict === 'trusted' || !state.enforceSignatures) return { verdict, log: [] }
  const what = verdict === 'unsigned' ? 'unsigned module' : 'module with unavailable key'
  return { verdict, errno: 'EKEYREJECTED', log: [`Loading of ${what} is rejected`] }
}

/** A line that the kernel says once a boot: the first time, and nothing later. */
function sayOnce(state: KernelState, key: string, line: string): string[] {
  if (state.said.includes(key)) return []
  state.said.push(key)
  return [line]
}

/** A module that is forced in is not compared with the kernel at all. */
function forceIn(state: KernelState, name: string): InsertOutcome {
  const lines = [
    ...sayOnce(state, 'forced', `${name}: ${layoutSymbol}: kernel tainted.`),
    ...sayOnce(state, 'lock debugging', 'Disabling lock debugging due to kernel taint'),
  ]
  return { log: lines }
}

/** Whether a module is for this kernel: by the version of its symbols and, where it has none, by the kernel's name in it. */
function checkKernel(state: KernelState, { name, data, info, force }: Insertion): InsertOutcome {
  const { architecture, vermagic = '' } = info
  if (architecture !== undefined && architecture !== state.architecture) {
    const machine = Buffer.from(data.buffer, data.byteOffset, data.byteLength).readUInt16LE(18)
    return { errno: 'ENOEXEC', log: [`Invalid architecture in ELF header: ${machine}`] }
  }
  if (force) return forceIn(state, name)
  const layout = readLayout(data)
  if (layout !== undefined && layout !== layoutOf(state.release))
    return { errno: 'ENOEXEC', log: [`${name}: disagrees about version of symbol ${layoutSymbol}`] }
  if (layout !== undefined || parseVermagic(vermagic)?.release === state.release) return { log: [] }
  const wanted = `${state.release} SMP preempt mod_unload modversions `
  return { errno: 'ENOEXEC', log: [`${name}: version magic '${vermagic}' should be '${wanted}'`] }
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

function taintOf({ info, force }: Insertion, verdict: SignatureVerdict): string {
  const proprietary = !freeLicenses.includes(info.license ?? '')
  const letters = [proprietary ? 'P' : '', force ? 'F' : '', info.inTree ? '' : 'O', verdict === 'trusted' ? '' : 'E']
  return letters.join('')
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
  const { values: given, errno, log } = applyArguments(name, info.parameters, insertion.parameters)
  if (errno !== undefined) return { errno, log }
  const values = info.inTree ? given : { ...behaviourOf(state, name).parameterDefaults, ...given }
  const init = runInit(state, insertion, values)
  if (init.errno === undefined) addModule(state, insertion, { taint, depends: providers, parameters: values })
  return { ...init, log: [...log, ...init.log] }
}

/** What taints the kernel is said of the first module of a boot that does it. */
function sayTaints(state: KernelState, { name, info }: Insertion, verdict: SignatureVerdict): string[] {
  const outOfTree = `${name}: loading out-of-tree module taints kernel.`
  const unverified = `${name}: module verification failed: signature and/or required key missing - tainting kernel`
  return [
    ...(info.inTree ? [] : sayOnce(state, 'out of tree', outOfTree)),
    ...(verdict === 'trusted' ? [] : sayOnce(state, 'unverified', unverified)),
  ]
}

/** What init_module does, in the kernel's order. On success the module is in `state`; the caller shows it in sysfs. */
export function insertModule(state: KernelState, insertion: Insertion): InsertOutcome {
  if (state.modulesDisabled) return { errno: 'EPERM', log: [] }
  const trust = checkTrust(state, insertion)
  if (trust.errno !== undefined) return trust
  const kernel = checkKernel(state, insertion)
  if (kernel.errno !== undefined) return kernel
  if (state.loaded[insertion.name] !== undefined) return { errno: 'EEXIST', log: kernel.log }
  const taints = sayTaints(state, insertion, trust.verdict)
  const linked = linkModule(state, insertion, taintOf(insertion, trust.verdict))
  return { ...linked, log: [...kernel.log, ...taints, ...linked.log] }
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
