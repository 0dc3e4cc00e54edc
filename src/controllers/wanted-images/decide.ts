import type { Module } from '../../api/module.ts'
import { dirNameOf } from '../../api/module-config.ts'
import type { ModuleImagesConfig, ModuleImageSpec, ModuleImagesConfigSpec } from '../../api/module-images-config.ts'
import type { Reason } from '../../errors/reason.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import type { Decision } from '../../runtime/reconciler.ts'
import { sameJson } from '../cluster/same-json.ts'

/** What a Module's mappings say about one kernel that runs on a node that it selects. */
export interface KernelAnswer {
  kernelVersion: string
  resolved?: ResolvedKernel
  /** Why the mapping cannot be used. */
  problem?: string
}

/** What `wanted-images` sees of one Module. */
export interface ObservedImages {
  module: Module
  kernels: readonly KernelAnswer[]
  config?: ModuleImagesConfig
}

/** What `wanted-images` can do. */
export type Action =
  | { type: 'createImages'; config: ModuleImagesConfig }
  | { type: 'patchImages'; namespace: string; name: string; resourceVersion: string; spec: ModuleImagesConfigSpec }

function listImages(module: Module, kernels: readonly KernelAnswer[]): ModuleImageSpec[] {
  const modprobe = module.spec?.moduleLoader?.container.modprobe
  const images = new Map<string, ModuleImageSpec>()
  for (const { resolved } of kernels) {
    if (!resolved || images.has(resolved.containerImage)) continue
    const { containerImage: image, kernelVersion, build, sign, registryTLS } = resolved
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

function buildSpec(module: Module, images: ModuleImageSpec[]): ModuleImagesConfigSpec {
  const { imageRepoSecret, imageRebuildTriggerGeneration, tolerations, moduleLoader } = module.spec ?? {}
  return {
    images,
    pushBuiltImage: true,
    imagePullPolicy: moduleLoader?.container.imagePullPolicy ?? '',
    ...(imageRepoSecret?.name ? { imageRepoSecret: { name: imageRepoSecret.name } } : {}),
    ...(imageRebuildTriggerGeneration === undefined ? {} : { imageRebuildTriggerGeneration }),
    ...(tolerations?.length ? { tolerations } : {}),
  }
}

function buildConfig(module: Module, spec: ModuleImagesConfigSpec): ModuleImagesConfig {
  const { namespace, name, uid = '' } = module.metadata
  const owner = { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'Module', name, uid }
  return {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'ModuleImagesConfig',
    metadata: { namespace, name, ownerReferences: [{ ...owner, controller: true, blockOwnerDeletion: true }] },
    spec,
  }
}

/** A merge patch replaces lists but keeps keys that it does not name: those that are gone must be named. */
function dropAbsent(spec: ModuleImagesConfigSpec, present: ModuleImagesConfigSpec | undefined): ModuleImagesConfigSpec {
  const gone = Object.keys(present ?? {}).filter((key) => !(key in spec))
  return { ...spec, ...Object.fromEntries(gone.map((key) => [key, null])) }
}

/** Decides which images a Module's ModuleImagesConfig asks about. A Module that is being deleted changes nothing. */
export function decide({ module, kernels, config }: ObservedImages): Decision<Action> {
  const waits = kernels.flatMap(({ problem, kernelVersion }) =>
    problem === undefined
      ? []
      : [{ reason: 'MappingInvalid' as Reason, message: `kernel ${kernelVersion}: ${problem}` }],
  )
  if (module.metadata.deletionTimestamp !== undefined) return { actions: [], waits }
  const images = listImages(module, kernels)
  const spec = buildSpec(module, images)
  if (config === undefined) {
    return { actions: images.length === 0 ? [] : [{ type: 'createImages', config: buildConfig(module, spec) }], waits }
  }
  if (sameJson(spec, config.spec)) return { actions: [], waits }
  const { namespace, name, resourceVersion = '' } = config.metadata
  return {
    actions: [{ type: 'patchImages', namespace, name, resourceVersion, spec: dropAbsent(spec, config.spec) }],
    waits,
  }
}
