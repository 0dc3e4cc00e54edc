import { posix } from 'node:path'
import { isBuiltFor } from '../kmod/vermagic.ts'
import type { InspectedImage, InspectedKernel } from './inspect-image.ts'
import type { InspectedModule } from './inspect-module.ts'
import { boundModules, indexKernel, type KernelIndex } from './kernel-index.ts'
import { createPauses } from './pauses.ts'

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
  /** What a module uses and modules.dep does not name may be loaded by somebody else: modprobe would not look for it. */
  mayBeLoaded: boolean
}

const mostNames = 20
const longestText = 200

/** What one module is judged by. */
interface Scene {
  kernel: InspectedKernel
  index: KernelIndex
  wish: CheckWish
  /** Firmware files as a module asks for them, without the suffix of a compressed one. */
  firmware: ReadonlySet<string>
}

/**
 * Says whether the modules of an image would load on a kernel, as far as an image alone can tell. Lets other work have its turn meanwhile.
 * Throws LimitExceeded for more modules or dependencies than any image has, and `Aborted`.
 */
export async function checkImage(
  { kernels, firmware }: InspectedImage,
  wish: CheckWish,
  signal: AbortSignal,
): Promise<CheckFinding[]> {
  // Image and Module name a kernel without the "+" at its end.
  const kernel = kernels.find(({ release }) => release === wish.kernel || `${release}+` === wish.kernel)
  const place = posix.join('/', wish.dirName, 'lib/modules', wish.kernel)
  if (kernel === undefined || kernel.modules.length + kernel.onNode.length === 0)
    return [
      failed('kernel', `the image has no modules in ${place}; "kmm image inspect" shows for which kernels it has any`),
    ]
  const index = indexKernel(kernel)
  const checked = listChecked(kernel, index, wish)
  const names = checked.map((each) => (typeof each === 'string' ? each : each.name))
  boundModules(names, index, kernel.release)
  const files = firmware.flatMap((file) => [file, file.replace(/\.(?:gz|xz|zst)$/, '')])
  const scene = { kernel, index, wish, firmware: new Set(files) }
  const findings = [ok('kernel', `the image has modules in ${place}: ${kernel.modules.length}`), ...checkIndex(kernel)]
  const pause = createPauses(signal)
  for (const each of checked) {
    findings.push(...checkOne(each, scene))
    await pause(stepsOfModule + countSteps(each, index))
  }
  return findings
}

const stepsOfModule = 50

const countSteps = (module: InspectedModule | string, index: KernelIndex): number =>
  typeof module === 'string' ? 0 : index.countDependencies(module.name) + (module.info?.firmware.length ?? 0)

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

/** Text of a module, cut so that many findings stay small. */
const shorten = (text = ''): string => (text.length > longestText ? `${text.slice(0, longestText)}…` : text)

function list(names: readonly string[], most = mostNames): string {
  const shown = names.slice(0, most).map((name) => shorten(name))
  return `${shown.join(', ')}${names.length > most ? ` and ${names.length - most} more` : ''}`
}

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
function listChecked(
  kernel: InspectedKernel,
  index: KernelIndex,
  { moduleName }: CheckWish,
): readonly (InspectedModule | string)[] {
  if (moduleName === undefined) return kernel.modules
  boundModules([moduleName], index, kernel.release)
  const before = (index.findOrder(moduleName) ?? []).slice(0, -1).flatMap(({ name }) => index.find(name) ?? [])
  return [...before, index.find(moduleName) ?? moduleName]
}

function checkOne(module: InspectedModule | string, scene: Scene): CheckFinding[] {
  const { wish } = scene
  if (typeof module === 'string') return checkMissing(module, scene)
  const { info } = module
  if (info === undefined) return [failed('module', `${module.path}: ${module.problem ?? 'it cannot be read'}`)]
  const { vermagic = '', architecture } = info
  const built = shorten(vermagic)
  return [
    ok('module', `${module.name} is ${module.path}`),
    checkArchitecture(module.name, architecture, wish),
    isBuiltFor(vermagic, wish.kernel)
      ? ok('vermagic', `${module.name} was built for ${built}`)
      : failed(
          'vermagic',
          `${module.name} was built for ${vermagic === '' ? 'no kernel that it names' : built}, not for ${wish.kernel}: build it against the headers of that kernel`,
        ),
    ...checkDependencies(module.name, info.depends, scene),
    checkSignature(module, wish),
    ...checkFirmware(module.name, info.firmware, scene.firmware),
  ]
}

function checkArchitecture(name: string, architecture: string | undefined, wish: CheckWish): CheckFinding {
  const words = `${name} is for ${architecture ?? 'an unknown architecture'}`
  if (wish.architecture === undefined || architecture === wish.architecture) return ok('architecture', words)
  return failed('architecture', `${words}, not for ${wish.architecture}`)
}

function checkMissing(name: string, { kernel, index }: Scene): CheckFinding[] {
  if (index.isOnNode(name))
    return [warning('module', `${name} is a link to the node's own module, which only the node can check`)]
  const others = kernel.modules.slice(0, 10).map((module) => module.name)
  return [failed('module', `the image has no module ${name}; it has ${others.join(', ')}`)]
}

function checkDependencies(name: string, depends: readonly string[], scene: Scene): CheckFinding[] {
  const { kernel, index, wish } = scene
  const { dependencies, builtin } = kernel
  if (dependencies === undefined) return []
  const order = index.findOrder(name)
  if (order === undefined)
    return [failed('index', `modules.dep does not know ${name}: run depmod at the end of the build`)]
  const unknown = depends.filter((each) => !dependencies.has(each) && !builtin.has(each))
  const missing = [...(wish.mayBeLoaded ? [] : unknown), ...index.listMissing(name)]
  const before = order.slice(0, -1).map((each) => each.name)
  const words = `${name} needs ${before.length === 0 ? 'no other module' : list(before)}`
  return [
    missing.length === 0
      ? ok('dependencies', words)
      : failed(
          'dependencies',
          `${name} needs ${list(missing)}, which the image does not have: put it there or link the node's modules, and run depmod`,
        ),
    ...(wish.mayBeLoaded && unknown.length > 0
      ? [
          warning(
            'dependencies',
            `${name} uses ${list(unknown)}, which modules.dep does not name for it: it must be loaded already`,
          ),
        ]
      : []),
  ]
}

function checkSignature({ name, signer, isSignedByCertificate }: InspectedModule, wish: CheckWish): CheckFinding {
  if (isSignedByCertificate === true) return ok('signature', `${name} is signed by the key of the certificate`)
  if (isSignedByCertificate === false)
    return failed(
      'signature',
      `${name} ${signer === undefined ? 'is not signed' : 'carries no good signature of the certificate'}: sign it with kmm image sign`,
    )
  if (signer !== undefined)
    return ok(
      'signature',
      `${name} carries a signature by ${shorten(signer.commonName) || 'somebody whom it does not name'}`,
    )
  const words = `${name} is not signed, so a kernel under Secure Boot refuses it`
  return wish.needsSignature ? failed('signature', words) : warning('signature', words)
}

function checkFirmware(name: string, asked: readonly string[], present: ReadonlySet<string>): CheckFinding[] {
  const missing = asked.filter((file) => !present.has(file))
  if (asked.length === 0) return []
  if (missing.length === 0)
    return [ok('firmware', `${name} may ask for ${asked.length} firmware files, and the image has them`)]
  return [warning('firmware', `${name} may ask for firmware that the image does not have: ${list(missing, 5)}`)]
}
