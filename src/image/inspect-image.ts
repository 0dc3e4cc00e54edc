import { mkdtemp, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { basename, join, posix, relative, sep } from 'node:path'
import { type ModuleDependencies, parseModulesBuiltin, parseModulesDep } from '../kmod/dependencies.ts'
import { parseModuleFileName } from '../kmod/module-name.ts'
import type { SigningCertificate } from '../kmod/signature-key.ts'
import { extractImage } from '../oci/extract.ts'
import type { Platform } from '../oci/manifest.ts'
import { type InspectLimits, InspectMeter } from './inspect-limits.ts'
import { type InspectedModule, inspectModule } from './inspect-module.ts'
import { createPauses } from './pauses.ts'
import type { ImagePlace } from './select-image.ts'
import { signedByLabel } from './signed-label.ts'

/** Which image to look into, and where in it. */
export interface InspectOptions {
  source: ImagePlace
  platform: Platform
  /** The directory with `lib/modules` in it, as in a Module's `modprobe.dirName`. */
  dirName: string
  /** Only this kernel, and links to the node's own modules of it are understood. */
  kernel?: string
  /** The image's directory with firmware, as in a Module's `modprobe.firmwarePath`. */
  firmwarePath?: string
  /** Looked for among the signatures. */
  certificate?: SigningCertificate
  /** A folder for temporary files. */
  workFolder: string
  limits?: Partial<InspectLimits>
  signal: AbortSignal
}

/** What an image has for one kernel. */
export interface InspectedKernel {
  /** The name of its directory. */
  release: string
  modules: InspectedModule[]
  /** Names of modules that are links to the node's own. */
  onNode: string[]
  /** The lines of `modules.dep` by module; undefined when the image has none. */
  dependencies: ReadonlyMap<string, ModuleDependencies> | undefined
  /** Whether there is a `modules.dep.bin`: modprobe reads that one, people and KMM the other. */
  hasBinaryIndex: boolean
  /** Modules that are part of the kernel itself, as far as the image says. */
  builtin: ReadonlySet<string>
  /** Links that lead to the node's own modules, by their path below the kernel's directory. */
  hostLinks: string[]
}

/** What an image has to offer to KMM. */
export interface InspectedImage {
  digest: string
  /** How many layers and bytes were read. */
  layers: number
  /** The certificate by which its `signed-by` label says that it is signed. */
  signedBy: string | undefined
  kernels: InspectedKernel[]
  /** Firmware files, relative to the firmware's directory. */
  firmware: string[]
}

/** Looks into a kmod image: extracts its modules and firmware to a temporary folder, reads them, and removes them. Throws as a pull does, also for what is larger than its limits. */
export async function inspectImage(options: InspectOptions): Promise<InspectedImage> {
  const { source, platform, signal } = options
  const meter = new InspectMeter(options.limits)
  const image = await source.registry.resolveImage(source.reference, platform, signal)
  const pinned = { ...source.reference, digest: image.digest }
  const config = await source.registry.readConfig(pinned, image, signal)
  const folder = await realpath(await mkdtemp(join(options.workFolder, 'kmm-inspect-')))
  try {
    const root = join(folder, 'image')
    const layers = image.layers.map((descriptor) => ({
      descriptor,
      open: (stop: AbortSignal) => source.registry.openBlob(pinned, descriptor, stop),
    }))
    const hostLink = options.kernel === undefined ? {} : { hostLink: `/host/lib/modules/${options.kernel}` }
    const limits = { bytes: meter.limits.bytes }
    await extractImage({ layers, destination: root, wanted: listWanted(options), ...hostLink, limits, signal })
    return {
      digest: image.digest,
      layers: image.layers.length,
      signedBy: config.labels[signedByLabel],
      kernels: await inspectKernels(root, options, meter),
      firmware: await listFiles(root, options.firmwarePath),
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function listWanted({ dirName, kernel, firmwarePath }: InspectOptions): string[] {
  const modules = posix.join('/', dirName, 'lib/modules')
  const folders = kernel === undefined ? [modules] : nameKernel(kernel).map((release) => posix.join(modules, release))
  return [...folders, ...(firmwarePath === undefined ? [] : [posix.join('/', firmwarePath)])]
}

/** The names that an image may have for a kernel: also without the "+" at its end. */
function nameKernel(kernel: string): string[] {
  return [...new Set([kernel, kernel.replace(/\+$/, '')])]
}

async function inspectKernels(root: string, options: InspectOptions, meter: InspectMeter): Promise<InspectedKernel[]> {
  const { kernel, dirName } = options
  const folder = join(root, posix.join('/', dirName, 'lib/modules'))
  const releases = kernel === undefined ? await listFolders(folder) : nameKernel(kernel)
  const kernels: InspectedKernel[] = []
  for (const release of releases) {
    const found = await inspectKernel(root, release, options, meter)
    if (found !== undefined) kernels.push(found)
  }
  return kernels
}

async function listFolders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted()
}

async function listFiles(root: string, firmwarePath: string | undefined): Promise<string[]> {
  if (firmwarePath === undefined) return []
  const folder = join(root, posix.join('/', firmwarePath))
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted()
}

/** Where an extracted path leads; undefined when that is not among what was extracted, such as the node's own modules. */
async function findInside(root: string, path: string): Promise<string | undefined> {
  const real = await realpath(path).catch(() => undefined)
  const top = await realpath(root)
  return real?.startsWith(`${top}${sep}`) === true ? real : undefined
}

async function inspectKernel(
  root: string,
  release: string,
  options: InspectOptions,
  meter: InspectMeter,
): Promise<InspectedKernel | undefined> {
  const folder = await findInside(root, join(root, posix.join('/', options.dirName, 'lib/modules', release)))
  if (folder === undefined) return undefined
  const index = await readIndex(root, join(folder, 'modules.dep'), meter)
  const kernel: InspectedKernel = {
    release,
    modules: [],
    onNode: [],
    hostLinks: [],
    dependencies: index === '' ? undefined : parseModulesDep(index),
    hasBinaryIndex: (await findInside(root, join(folder, 'modules.dep.bin'))) !== undefined,
    builtin: parseModulesBuiltin(await readIndex(root, join(folder, 'modules.builtin'), meter)),
  }
  await inspectFiles({ root, folder, kernel, meter }, options)
  kernel.modules.sort((left, right) => (left.path < right.path ? -1 : 1))
  return kernel
}

/** Many modules are small: so many are read before others have their turn. */
const stepsOfModule = 250

async function inspectFiles(
  { root, folder, kernel, meter }: { root: string; folder: string; kernel: InspectedKernel; meter: InspectMeter },
  { certificate, signal }: InspectOptions,
): Promise<void> {
  const pause = createPauses(signal)
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  for (const entry of entries) {
    if (entry.isDirectory()) continue
    const path = join(entry.parentPath, entry.name)
    const inside = await findInside(root, path)
    const name = parseModuleFileName(entry.name)
    if (inside === undefined) {
      kernel.hostLinks.push(relative(folder, path))
      if (name !== undefined) kernel.onNode.push(name)
    } else if (name !== undefined) {
      const named = { name, path: `/${relative(root, path)}` }
      kernel.modules.push(await inspectModule(inside, named, { certificate, meter }))
    }
    await pause(stepsOfModule)
  }
}

async function readIndex(root: string, path: string, meter: InspectMeter): Promise<string> {
  const inside = await findInside(root, path)
  if (inside === undefined) return ''
  const { size } = await stat(inside)
  meter.checkIndex(basename(path), size)
  return readFile(inside, 'utf8').catch(() => '')
}
