import { dirNameOf } from '../../api/module-config.ts'
import type { ModuleImagesConfigSpec, ModuleImageSpec } from '../../api/module-images-config.ts'
import type { Module } from '../../api/module.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import { defined } from './defined.ts'

function listImages(module: Module, kernels: readonly ResolvedKernel[]): ModuleImageSpec[] {
  const modprobe = module.spec?.moduleLoader?.container.modprobe
  const images = new Map<string, ModuleImageSpec>()
  for (const { containerImage: image, kernelVersion, build, sign, registryTLS } of kernels) {
    if (images.has(image)) continue
    images.set(image, {
      image,
      kernelVersion,
      ...(build ? { build } : {}),
      ...(sign ? { sign } : {}),
      ...(registryTLS ? { registryTLS } : {}),
      ...(modprobe ? { dirName: dirNameOf(modprobe) } : {}),
    })
  }
  return [...images.values()].sort((left, right) => (left.image < right.image ? -1 : 1))
}

/** What a ModuleImagesConfig asks for: the Module's images for these kernels, each once. */
export function buildImagesSpec(
  module: Module,
  kernels: readonly ResolvedKernel[],
  { isPushed, trigger }: { isPushed: boolean; trigger: number | undefined },
): ModuleImagesConfigSpec {
  const { imageRepoSecret, tolerations, moduleLoader } = module.spec ?? {}
  return {
    images: listImages(module, kernels),
    pushBuiltImage: isPushed,
    imagePullPolicy: moduleLoader?.container.imagePullPolicy ?? '',
    ...(imageRepoSecret?.name ? { imageRepoSecret: { name: imageRepoSecret.name } } : {}),
    ...defined({ imageRebuildTriggerGeneration: trigger }),
    ...(tolerations?.length ? { tolerations } : {}),
  }
}

/** The spec as a merge patch: that replaces lists but keeps keys that it does not name, so those that are gone must be named. */
export function dropAbsent(
  spec: ModuleImagesConfigSpec,
  present: ModuleImagesConfigSpec | undefined,
): ModuleImagesConfigSpec {
  const gone = Object.keys(present ?? {}).filter((key) => !(key in spec))
  return { ...spec, ...Object.fromEntries(gone.map((key) => [key, null])) }
}
