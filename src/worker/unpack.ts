import { randomUUID } from 'node:crypto'
import { readdir, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, join, posix } from 'node:path'
import type { ModuleConfig } from '../api/node-modules-config.ts'
import { describeError, hasCode, KmmError } from '../errors/error.ts'
import { extractionRoot, modprobeDirectory } from '../kmod/modprobe-arguments.ts'
import { type ExtractReport, extractImage } from '../oci/extract.ts'
import type { LayerCache } from '../oci/layer-cache.ts'
import { type Host, locate } from './host.ts'
import type { PulledImage } from './pull.ts'

/** An image's files on the node. Both paths are below the host's root already. */
export interface UnpackedImage {
  /** The directory of the node's kernel, with `modules.dep`. */
  modulesFolder: string
  /** The firmware, if the Module has any and the image too. */
  firmwareFolder: string | undefined
}

/** What unpacking needs besides the image. */
export interface UnpackContext {
  host: Host
  cache: LayerCache | undefined
  log: (line: string) => void
  signal: AbortSignal
}

const stagingPrefix = '.kmm-image-'

/**
 * Extracts the image's modules and firmware to where modprobe's `-d /tmp<dirName>` looks for them. The files come to their
 * place when all of them are whole; what an earlier attempt has left there goes first.
 */
export async function unpackImage(
  context: UnpackContext,
  config: ModuleConfig,
  image: PulledImage,
): Promise<UnpackedImage> {
  const { host, log } = context
  const trees = nameTrees(host, config)
  const staging = locate(host, join(extractionRoot, `${stagingPrefix}${randomUUID()}`))
  await removeStaging(host)
  const report = await extractVerified(context, image, (signal) =>
    extractImage({
      layers: image.layers,
      destination: staging,
      wanted: listWantedTrees(host, config),
      hostLink: `/host/lib/modules/${host.kernelRelease}`,
      signal,
    }),
  ).catch((error: unknown) => {
    throw nameImage(error, config)
  })
  for (const link of report.droppedLinks) {
    log(`The image's link ${link.path} to ${link.target} leads out of what is extracted and is left out.`)
  }
  await moveIntoPlace(host, staging)
  log(`Extracted ${report.entries} files and directories, ${report.bytes} bytes.`)
  await linkRunningKernel(host, config, trees.modules)
  return {
    modulesFolder: locate(host, join(modprobeDirectory(config.modprobe.dirName), 'lib/modules', host.kernelRelease)),
    firmwareFolder: findFirmwareFolder(host, report, trees.firmware),
  }
}

function nameImage(error: unknown, config: ModuleConfig): unknown {
  if (!hasCode(error, 'ImageInvalid', 'LimitExceeded', 'OutOfSpace')) return error
  const { message, code, fate, cause } = error
  return new KmmError(`The image ${config.containerImage} cannot be extracted: ${message}`, { code, fate, cause })
}

/** The image's directories that a load or unload on this node needs. */
export function listWantedTrees(host: Host, config: ModuleConfig): string[] {
  const { modules, firmware } = nameTrees(host, config)
  return [...modules, ...(firmware === undefined ? [] : [firmware])]
}

interface Trees {
  modules: string[]
  firmware: string | undefined
}

/** The image's directories that are needed. A kernel's name has lost its `+` in configuration and image, not in `uname`. */
function nameTrees(host: Host, config: ModuleConfig): Trees {
  const root = modprobeDirectory(config.modprobe.dirName).slice(extractionRoot.length)
  const kernels = [...new Set([config.kernelVersion, host.kernelRelease])].filter((kernel) =>
    isSameKernel(kernel, host.kernelRelease),
  )
  const firmware = config.modprobe.firmwarePath ?? ''
  if (firmware !== '' && posix.join('/', firmware) === '/') {
    throw new KmmError(
      'firmwarePath is the whole image: name the directory that holds the firmware, such as /firmware.',
      {
        code: 'ConfigurationInvalid',
        fate: 'terminal',
      },
    )
  }
  return {
    modules: kernels.map((kernel) => posix.join('/', root, 'lib/modules', kernel)),
    firmware: firmware === '' ? undefined : posix.join('/', firmware),
  }
}

/** True when a configuration for `kernel` is for a node that runs `release`: upstream strips one trailing `+`. */
export function isSameKernel(kernel: string, release: string): boolean {
  return kernel === release || `${kernel}+` === release
}

/** Extracts, and again as long as the cache turns out to have held a damaged layer, which it then no longer holds. */
async function extractVerified(
  { cache, log, signal }: UnpackContext,
  image: PulledImage,
  extract: (signal: AbortSignal) => Promise<ExtractReport>,
): Promise<ExtractReport> {
  for (let tries = 0; ; tries += 1) {
    const damaged = cache?.damaged ?? 0
    try {
      return await extract(signal)
    } catch (error) {
      if ((cache?.damaged ?? 0) === damaged || tries >= image.layers.length) throw error
      log(`The node's copy of a layer was damaged and is fetched again: ${describeError(error)}`)
    }
  }
}

async function removeStaging(host: Host): Promise<void> {
  const root = locate(host, extractionRoot)
  const left = (await readdir(root)).filter((name) => name.startsWith(stagingPrefix))
  for (const name of left) await rm(join(root, name), { recursive: true, force: true })
}

async function moveIntoPlace(host: Host, staging: string): Promise<void> {
  for (const name of await readdir(staging)) {
    const place = locate(host, join(extractionRoot, name))
    await rm(place, { recursive: true, force: true })
    await rename(join(staging, name), place)
  }
  await rm(staging, { recursive: true })
}

/** Lets modprobe, which goes by `uname -r`, find the modules of a kernel whose name the image has without its `+`. */
async function linkRunningKernel(host: Host, config: ModuleConfig, modules: readonly string[]): Promise<void> {
  if (modules.length < 2) return
  const folder = locate(host, join(modprobeDirectory(config.modprobe.dirName), 'lib/modules'))
  const exists = (name: string): Promise<boolean> =>
    stat(join(folder, name)).then(
      () => true,
      () => false,
    )
  if (!(await exists(config.kernelVersion)) || (await exists(host.kernelRelease))) return
  await symlink(basename(config.kernelVersion), join(folder, basename(host.kernelRelease)))
}

function findFirmwareFolder(host: Host, report: ExtractReport, firmware: string | undefined): string | undefined {
  if (firmware === undefined || report.found[firmware] !== true) return undefined
  return locate(host, join(extractionRoot, firmware))
}
