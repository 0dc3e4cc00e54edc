import type { Module, ModuleLoader } from '../../api/module.ts'
import type { ModuleConfig, NodeModuleItem } from '../../api/node-modules-config.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import { defined } from '../cluster/defined.ts'
import type { LoadedItem } from '../cluster/module-on-node.ts'
import { internalTolerations } from '../cluster/toleration.ts'
import type { ImageFact } from './observed.ts'

/** Both values where one is set; upstream's entries know only their union. */
function describeTls({ registryTLS }: ResolvedKernel): Pick<ModuleConfig, 'insecurePull' | 'registryTLS'> {
  const insecure = registryTLS.insecure === true
  const insecureSkipTLSVerify = registryTLS.insecureSkipTLSVerify === true
  if (!insecure && !insecureSkipTLSVerify) return { insecurePull: false }
  return { insecurePull: true, registryTLS: { insecure, insecureSkipTLSVerify } }
}

function buildConfig({ container }: ModuleLoader, resolved: ResolvedKernel, image: ImageFact): ModuleConfig {
  const inTree = [...resolved.inTreeModulesToRemove]
  return {
    kernelVersion: resolved.kernelVersion,
    containerImage: resolved.containerImage,
    // As it stands in the Module, empty included: what an upstream operator wrote must compare equal.
    imagePullPolicy: container.imagePullPolicy ?? '',
    ...describeTls(resolved),
    ...defined({ inTreeModulesToRemove: inTree.length === 0 ? undefined : inTree, imageDigest: image.digest }),
    modprobe: container.modprobe,
  }
}

/** The NodeModulesConfig entry that a Module asks for on nodes with this kernel. */
export function buildItem(
  module: Module,
  loader: ModuleLoader,
  resolved: ResolvedKernel,
  image: ImageFact,
): NodeModuleItem {
  const { tolerations = [], imageRepoSecret } = module.spec ?? {}
  const secret = imageRepoSecret?.name
  return {
    namespace: module.metadata.namespace,
    name: module.metadata.name,
    serviceAccountName: loader.serviceAccountName || 'default',
    tolerations: [...tolerations, ...internalTolerations],
    ...defined({
      imageRepoSecret: secret ? { name: secret } : undefined,
      version: loader.container.version || undefined,
    }),
    config: buildConfig(loader, resolved, image),
  }
}

/** The entry that a status entry was loaded for. */
export function toEntry({ bootId: _boot, ...item }: LoadedItem): NodeModuleItem {
  return item
}
