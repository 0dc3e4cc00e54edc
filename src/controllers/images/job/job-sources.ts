import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Toleration } from '../../../api/module.ts'
import type { ModuleIdentity } from '../../../kernel/variables.ts'
import { type Caches, nodesByKernel } from '../../cluster/caches.ts'
import type { PullSecretSources } from '../../cluster/pull-secrets.ts'

/** Whose image it is, where the credentials for it are, and what machines it is for. */
export interface JobSources extends PullSecretSources {
  /** The Module itself, also where the ModuleImagesConfig has another name. */
  module: ModuleIdentity
  /** Of the nodes with the image's kernel, as they name it (`amd64`); empty where nobody knows, or they differ. */
  architecture: string
  /** Of the pods that make the image. */
  tolerations: readonly Toleration[]
}

/** The Module of a ModuleImagesConfig: its owner; without one, that of its name. */
export function findModule({ metadata }: ModuleImagesConfig): ModuleIdentity {
  const { namespace, name, ownerReferences = [] } = metadata
  const owner = ownerReferences.find(({ kind, controller }) => kind === 'Module' && controller === true)
  return { namespace, name: owner?.name ?? name }
}

function findArchitecture(kernelVersion: string, caches: Pick<Caches, 'nodes'>): string {
  // Mappings are made for a kernel without the `+` at its end.
  const nodes = [kernelVersion, `${kernelVersion}+`].flatMap((each) => caches.nodes.byIndex(nodesByKernel, each))
  const architectures = new Set(nodes.map(({ architecture }) => architecture))
  return architectures.size === 1 ? ([...architectures][0] ?? '') : ''
}

/** Reads from the caches what the jobs of an image are made with. */
export function findJobSources(
  config: ModuleImagesConfig,
  { kernelVersion }: { kernelVersion: string },
  caches: Pick<Caches, 'modules' | 'nodes'>,
): JobSources {
  const module = findModule(config)
  return {
    namespace: module.namespace,
    module,
    imageRepoSecret: config.spec?.imageRepoSecret?.name ?? '',
    serviceAccountName: caches.modules.get(module)?.spec?.moduleLoader?.serviceAccountName || 'default',
    architecture: findArchitecture(kernelVersion, caches),
    tolerations: config.spec?.tolerations ?? [],
  }
}
