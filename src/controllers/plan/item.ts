import type { Module } from '../../api/module.ts'
import type { ModuleConfig, NodeModuleItem } from '../../api/node-modules-config.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import { internalTolerations } from '../cluster/toleration.ts'
import type { ImageFact } from './observed.ts'

function buildConfig(module: Module, resolved: ResolvedKernel, image: ImageFact): ModuleConfig {
  const container = module.spec?.moduleLoader?.container
  const { insecure = false, insecureSkipTLSVerify = false } = resolved.registryTLS ?? {}
  return {
    kernelVersion: resolved.kernelVersion,
    containerImage: resolved.containerImage,
    // As it stands in the Module, empty included: what an upstream operator wrote must compare equal.
    imagePullPolicy: container?.imagePullPolicy ?? '',
    insecurePull: insecure || insecureSkipTLSVerify,
    ...(insecure || insecureSkipTLSVerify ? { registryTLS: { insecure, insecureSkipTLSVerify } } : {}),
    ...(resolved.inTreeModulesToRemove.length === 0
      ? {}
      : { inTreeModulesToRemove: [...resolved.inTreeModulesToRemove] }),
    ...(image.digest === undefined ? {} : { imageDigest: image.digest }),
    modprobe: container?.modprobe ?? {},
  }
}

/** The NodeModulesConfig entry that a Module asks for on nodes with this kernel. */
export function buildItem(module: Module, resolved: ResolvedKernel, image: ImageFact): NodeModuleItem {
  const loader = module.spec?.moduleLoader
  const version = loader?.container.version ?? ''
  const secret = module.spec?.imageRepoSecret
  return {
    namespace: module.metadata?.namespace ?? '',
    name: module.metadata?.name ?? '',
    serviceAccountName: loader?.serviceAccountName || 'default',
    ...(secret?.name ? { imageRepoSecret: { name: secret.name } } : {}),
    tolerations: [...(module.spec?.tolerations ?? []), ...internalTolerations],
    ...(version === '' ? {} : { version }),
    config: buildConfig(module, resolved, image),
  }
}
