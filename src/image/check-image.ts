import { posix } from 'node:path'
import { findLoadOrder, type ModuleDependencies } from '../kmod/dependencies.ts'
import { isSameModule, normalizeModuleName } from '../kmod/module-name.ts'
import { isBuiltFor } from '../kmod/vermagic.ts'
import type { InspectedImage, InspectedKernel } from './inspect-image.ts'
import type { InspectedModule } from './inspect-module.ts'

/** One thing that was looked at; `failed` means that the module would not load. */
export interface CheckFinding {
  check: 'kernel' | 'module' | 'index' | 'architecture' | 'vermagic' | 'dependencies' | 'signature' | 'firmware'
  verdict: 'ok' | 'warning' | 'failed'
  message: string
}

/** What an image is checked for. */
export interface CheckWish {
  /** `uname -r` of the kernel. */
  kernel: string
  /** All modules that the image has for the kernel when undefined. */
  moduleName: string | undefined
  /** As images name it; not compared when undefined. */
  architecture: string | undefined
  dirName: string
  /** A module without signature would not load; otherwise that is a warning. */
  needsSignature: boolean
}

/** Says whether the modules of an image would load on a kernel, as far as an image alone can tell. */
export function checkImage({ kernels, firmware }: InspectedImage, wish: CheckWish): CheckFinding[] {
  // Image and Module name a kernel without the "+" at its end.
  const kernel = kernels.find(({ release }) => release === wish.kernel || `${release}+` === wish.kernel)
  const place = posix.join('/', wish.dirName, 'lib/modules', wish.kernel)
  if (kernel === undefined || kernel.modules.length + kernel.onNode.length === 0)
    return [
      failed('kernel', `the image has no modules in ${place}; "kmm image inspect" shows for which kernels it has any`),
    ]
  const found = ok('kernel', `the image has modules in ${place}: ${kernel.modules.length}`)
  return [
    found,
    ...checkIndex(kernel),
    ...listChecked(kernel, wish).flatMap((each) => checkOne(each, kernel, firmware, wish)),
  ]
}

/** True when nothing that was found keeps the modules from loading. */
export function wouldLoad(findings: readonly CheckFinding[]): boolean {
  return findings.every(({ verdict }) => verdict !== 'failed')
}

const ok = (check: CheckFinding['check'], message: string): CheckFinding => ({ check, verdict: 'ok', message })
const warning = (check: CheckFinding['check'], message: string): CheckFinding => ({
  check,
  verdict: 'warning',
  message,
})
const failed = (check: CheckFinding['check'], message: string): CheckFinding => ({ check, verdict: 'failed', message })

function checkIndex({ dependencies, hasBinaryIndex }: InspectedKernel): CheckFinding[] {
  const missing = [
    ...(dependencies === undefined ? ['modules.dep'] : []),
    ...(hasBinaryIndex ? [] : ['modules.dep.bin']),
  ]
  if (missing.length === 0) return []
  const names = missing.join(' and no ')
  return [
    failed(
      'index',
      `the image has no ${names}, without which modprobe finds no module: run depmod at the end of the build`,
    ),
  ]
}

/** The modules to look at, in the order of loading: what the wanted one needs has to load too. */
function listChecked(kernel: InspectedKernel, { moduleName }: CheckWish): (InspectedModule | string)[] {
  const { modules, dependencies } = kernel
  if (moduleName === undefined) return modules
  const find = (wanted: string): InspectedModule | undefined => modules.find(({ name }) => isSameModule(name, wanted))
  const order = dependencies === undefined ? [] : (findLoadOrder(dependencies, moduleName) ?? [])
  const before = order.slice(0, -1).flatMap(({ name }) => find(name) ?? [])
  return [...before, find(moduleName) ?? moduleName]
}

function checkOne(
  module: InspectedModule | string,
  kernel: InspectedKernel,
  firmware: readonly string[],
  wish: CheckWish,
): CheckFinding[] {
  if (typeof module === 'string') return checkMissing(module, kernel)
  const { info } = module
  if (info === undefined) return [failed('module', `${module.path}: ${module.problem ?? 'it cannot be read'}`)]
  const { vermagic = '', architecture } = info
  return [
    ok('module', `${module.name} is ${module.path}`),
    checkArchitecture(module.name, architecture, wish),
    isBuiltFor(vermagic, wish.kernel)
      ? ok('vermagic', `${module.name} was built for ${vermagic}`)
      : failed(
          'vermagic',
          `${module.name} was built for ${vermagic === '' ? 'no kernel that it names' : vermagic}, not for ${wish.kernel}: build it against the headers of that kernel`,
        ),
    ...checkDependencies(module.name, info.depends, kernel),
    checkSignature(module, wish),
    ...checkFirmware(module.name, info.firmware, firmware),
  ]
}

function checkArchitecture(name: string, architecture: string | undefined, wish: CheckWish): CheckFinding {
  const words = `${name} is for ${architecture ?? 'an unknown architecture'}`
  if (wish.architecture === undefined || architecture === wish.architecture) return ok('architecture', words)
  return failed('architecture', `${words}, not for ${wish.architecture}`)
}

function checkMissing(name: string, kernel: InspectedKernel): CheckFinding[] {
  if (kernel.onNode.includes(normalizeModuleName(name)))
    return [warning('module', `${name} is a link to the node's own module, which only the node can check`)]
  const others = kernel.modules.slice(0, 10).map((module) => module.name)
  return [failed('module', `the image has no module ${name}; it has ${others.join(', ')}`)]
}

function checkDependencies(name: string, depends: readonly string[], kernel: InspectedKernel): CheckFinding[] {
  const { dependencies, builtin } = kernel
  if (dependencies === undefined) return []
  const order = findLoadOrder(dependencies, name)
  if (order === undefined)
    return [failed('index', `modules.dep does not know ${name}: run depmod at the end of the build`)]
  const unknown = depends.filter((each) => !dependencies.has(each) && !builtin.has(each))
  const missing = order.filter((each) => !hasFile(kernel, each)).map((each) => each.path)
  if (unknown.length + missing.length > 0)
    return [
      failed(
        'dependencies',
        `${name} needs ${[...unknown, ...missing].join(', ')}, which the image does not have: put it there or link the node's modules, and run depmod`,
      ),
    ]
  const before = order.slice(0, -1).map((each) => each.name)
  return [
    ok('dependencies', before.length === 0 ? `${name} needs no other module` : `${name} needs ${before.join(', ')}`),
  ]
}

function hasFile({ modules, onNode, hostLinks }: InspectedKernel, { name, path }: ModuleDependencies): boolean {
  if (onNode.includes(name) || modules.some((module) => module.path.endsWith(`/${path}`))) return true
  return path.startsWith('/') || hostLinks.some((link) => path.startsWith(`${link}/`))
}

function checkSignature({ name, signer, isSignedByCertificate }: InspectedModule, wish: CheckWish): CheckFinding {
  if (isSignedByCertificate === true) return ok('signature', `${name} is signed by the key of the certificate`)
  if (isSignedByCertificate === false)
    return failed(
      'signature',
      `${name} ${signer === undefined ? 'is not signed' : 'carries no good signature of the certificate'}: sign it with kmm image sign`,
    )
  if (signer !== undefined)
    return ok('signature', `${name} carries a signature by ${signer.commonName ?? 'somebody whom it does not name'}`)
  const words = `${name} is not signed, so a kernel under Secure Boot refuses it`
  return wish.needsSignature ? failed('signature', words) : warning('signature', words)
}

function checkFirmware(name: string, asked: readonly string[], present: readonly string[]): CheckFinding[] {
  const missing = asked.filter((file) => !present.some((each) => each === file || each.startsWith(`${file}.`)))
  if (asked.length === 0) return []
  if (missing.length === 0)
    return [ok('firmware', `${name} may ask for ${asked.length} firmware files, and the image has them`)]
  const shown = `${missing.slice(0, 5).join(', ')}${missing.length > 5 ? ` and ${missing.length - 5} more` : ''}`
  return [warning('firmware', `${name} may ask for firmware that the image does not have: ${shown}`)]
}
