import type { Module } from '../../api/module.ts'
import type { ModuleImagesConfig, ModuleImagesConfigSpec } from '../../api/module-images-config.ts'
import type { Reason } from '../../errors/reason.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import type { Decision } from '../../runtime/reconciler.ts'
import { buildImagesSpec, dropAbsent } from '../cluster/images-spec.ts'
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

/** Decides which images a Module's ModuleImagesConfig asks about. A Module that is being deleted changes nothing. */
export function decide({ module, kernels, config }: ObservedImages): Decision<Action> {
  const waits = kernels.flatMap(({ problem, kernelVersion }) =>
    problem === undefined
      ? []
      : [{ reason: 'MappingInvalid' as Reason, message: `kernel ${kernelVersion}: ${problem}` }],
  )
  if (module.metadata.deletionTimestamp !== undefined) return { actions: [], waits }
  const resolved = kernels.flatMap((kernel) => kernel.resolved ?? [])
  const spec = buildImagesSpec(module, resolved, {
    isPushed: true,
    trigger: module.spec?.imageRebuildTriggerGeneration,
  })
  if (config === undefined) {
    return {
      actions: spec.images?.length === 0 ? [] : [{ type: 'createImages', config: buildConfig(module, spec) }],
      waits,
    }
  }
  if (sameJson(spec, config.spec)) return { actions: [], waits }
  const { namespace, name, resourceVersion = '' } = config.metadata
  return {
    actions: [{ type: 'patchImages', namespace, name, resourceVersion, spec: dropAbsent(spec, config.spec) }],
    waits,
  }
}
