import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ModuleInfo } from '../../kmod/modinfo.ts'
import { parseVermagic } from '../../kmod/vermagic.ts'
import type { Errno } from './errno.ts'
import { applyArguments } from './parameters.ts'
import { checkSignature, type SignatureVerdict } from './signature-check.ts'
import { exampleBehaviours, type KernelState, type LoadedModule, type ModuleBehaviour } from './state.ts'
import type { ModuleSymbols } from './symbols.ts'
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

function checkKernel(state: KernelState, { name, info, force }: Insertion): InsertOutcome {
  const { architecture, vermagic = '' } = info
  if (architecture !== undefined && architecture !== state.architecture)
    return { errno: 'ENOEXEC', log: [`${name}: Invalid module ELF: it was built for ${architecture}`] }
  const built = parseVermagic(vermagic)
  if (built?.release === state.release) return { log: [] }
  if (force) return { log: [`${name}: kernel tainted: version magic '${vermagic}' is overridden`] }
  if (built?.flags.includes('modversions') === true)
    return { errno: 'ENOEXEC', log: [`${name}: disagrees about version of symbol module_layout`] }
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

function findFirmware(nodeRoot: string, release: string, file: string): boolean {
  const own = readFirmwarePath(nodeRoot)
  const folders = [
    own,
    `/lib/firmware/updates/${release}`,
    '/lib/firmware/updates',
    `/lib/firmware/${release}`,
    '/lib/firmware',
  ]
  return folders.some((folder) => folder !== '' && existsSync(join(nodeRoot, folder, file)))
}

function checkFirmware(
  state: KernelState,
  { nodeRoot, name }: Insertion,
  values: Record<string, string>,
): InsertOutcome {
  const { needsFirmware = [], firmwareOptionalBy } = behaviourOf(state, name)
  const missing = needsFirmware.find((file) => !findFirmware(nodeRoot, state.release, file))
  if (missing === undefined) return { log: [] }
  const log = [`${name} ${name}: firmware: failed to load ${missing} (-2)`]
  const optional = firmwareOptionalBy !== undefined && values[firmwareOptionalBy] === 'Y'
  return optional ? { log } : { errno: 'ENOENT', log }
}

/** Runs what stands for the module's init function. */
function runInit(state: KernelState, insertion: Insertion, values: Record<string, string>): InsertOutcome {
  const { name } = insertion
  const { parameterBounds = {}, failInit } = behaviourOf(state, name)
  for (const [parameter, { minimum, maximum }] of Object.entries(parameterBounds)) {
    const value = values[parameter]
    if (value !== undefined && (Number(value) < minimum || Number(value) > maximum))
      return { errno: 'EINVAL', log: [`${name}: ${parameter} is ${value} and has to be from ${minimum} to ${maximum}`] }
  }
  if (failInit !== undefined) return { errno: failInit, log: [`${name}: initialization failed (${failInit})`] }
  return checkFirmware(state, insertion, values)
}

function taintOf({ info, force }: Insertion, verdict: SignatureVerdict, kernelMatches: boolean): string {
  const proprietary = !freeLicenses.includes(info.license ?? '')
  const letters = [
    proprietary ? 'P' : '',
    force && !kernelMatches ? 'F' : '',
    info.inTree ? '' : 'O',
    verdict === 'trusted' ? '' : 'E',
  ]
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
  const { values, errno, log } = applyArguments(name, info.parameters, insertion.parameters)
  if (errno !== undefined) return { errno, log }
  const init = runInit(state, insertion, values)
  if (init.errno === undefined) addModule(state, insertion, { taint, depends: providers, parameters: values })
  return { ...init, log: [...log, ...init.log] }
}

/** What init_module does, in the kernel's order. On success the module is in `state`; the caller shows it in sysfs. */
export function insertModule(state: KernelState, insertion: Insertion): InsertOutcome {
  if (state.modulesDisabled) return { errno: 'EPERM', log: [] }
  const trust = checkTrust(state, insertion)
  if (trust.errno !== undefined) return trust
  const kernel = checkKernel(state, insertion)
  if (kernel.errno !== undefined) return kernel
  if (state.loaded[insertion.name] !== undefined) return { errno: 'EEXIST', log: [] }
  const taint = taintOf(insertion, trust.verdict, kernel.log.length === 0)
  const linked = linkModule(state, insertion, taint)
  return { ...linked, log: [...kernel.log, ...linked.log] }
}

/** What delete_module does; on success the module is out of `state`. */
export function removeModule(state: KernelState, name: string, references: number): InsertOutcome {
  const module = state.loaded[name]
  if (module === undefined) return { errno: 'ENOENT', log: [] }
  if (state.modulesDisabled) return { errno: 'EPERM', log: [] }
  if (references > 0) return { errno: 'EAGAIN', log: [] }
  const { failRemove } = behaviourOf(state, name)
  if (failRemove !== undefined) return { errno: failRemove, log: [] }
  delete state.loaded[name]
  state.history.push({ action: 'remove', module: name, srcversion: module.srcversion, bootId: state.bootId })
  return { log: [] }
}
