import type { ImageStatus, ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Module, ModprobeSpec } from '../../../api/module.ts'
import { dirNameOf } from '../../../api/module-config.ts'
import { formatAccess } from '../../images/lookup.ts'
import { isSettled } from '../../images/status.ts'
import type { ContentFact, ContentWish } from './observed.ts'

/** What is known of the one image of a preflight's ModuleImagesConfig, as its spec has it now. */
export function findImageStatus({ spec, status }: ModuleImagesConfig): ImageStatus | undefined {
  const [image] = spec?.images ?? []
  // The same image may be asked for with another kernel than before.
  return status?.images?.find((each) => each.image === image?.image && each.kernelVersion === image.kernelVersion)
}

/** The modules that are to be loaded, the wanted one first. */
function listModuleNames({ moduleName = '', modulesLoadingOrder = [] }: ModprobeSpec): string[] {
  return [...new Set([moduleName, ...modulesLoadingOrder])].filter((name) => name !== '')
}

/** What an image that exists has to have; undefined where it does not exist, or the Module loads nothing. */
export function findWish(config: ModuleImagesConfig, module: Module, kernel: string): ContentWish | undefined {
  const status = findImageStatus(config)
  const modprobe = module.spec?.moduleLoader?.container.modprobe
  if (status?.digest === undefined || !isSettled(status) || modprobe === undefined) return undefined
  const { image, digest } = status
  const firmwarePath = modprobe.firmwarePath === '' ? undefined : modprobe.firmwarePath
  return { image, digest, kernel, dirName: dirNameOf(modprobe), moduleNames: listModuleNames(modprobe), firmwarePath }
}

/** The kernel for which the image is, as the ModuleImagesConfig has it. */
export const findKernel = ({ spec }: ModuleImagesConfig, wish: ContentWish): string =>
  spec?.images?.[0]?.kernelVersion ?? wish.kernel

/** A text that differs with everything that the result of a look is shown for: the wish, and how the registry is asked. */
export function formatWish(wish: ContentWish, config: ModuleImagesConfig): string {
  const [image] = config.spec?.images ?? []
  return JSON.stringify([wish, image === undefined ? '' : formatAccess(config, image)])
}

/** What was seen for this very wish. */
export function findAnswer(
  fact: ContentFact | undefined,
  wish: ContentWish,
  config: ModuleImagesConfig,
): ContentFact | undefined {
  return fact?.key === formatWish(wish, config) ? fact : undefined
}
