import type { ModuleImagesConfig } from '../../../api/module-images-config.ts'
import type { Module, Toleration } from '../../../api/module.ts'
import type { ModuleIdentity } from '../../../kernel/variables.ts'
import { listArchitectures } from '../../cluster/architectures.ts'
import type { Caches } from '../../cluster/caches.ts'
import { findModule } from '../../cluster/images-config.ts'
import type { PullSecretSources } from '../../cluster/pull-secrets.ts'

/** Whose image it is, where the credentials for it are, and what machines it is for. */
export interface JobSources extends PullSecretSources {
  /** The Module itself, also where the ModuleImagesConfig has another name. */
  module: ModuleIdentity
  /** Of the nodes that the image is for, as they name it (`amd64`); empty where nobody knows, or they differ. */
  architecture: string
  /** Of the pods that make the image. */
  tolerations: readonly Toleration[]
}

/** A Module that is gone, or names no account, has that of its namespace. */
const findAccount = (module: Module | undefined): string => module?.spec?.moduleLoader?.serviceAccountName || 'default'

/** Reads from the caches what the jobs of an image are made with. */
export function findJobSources(
  config: ModuleImagesConfig,
  { kernelVersion }: { kernelVersion: string },
  caches: Pick<Caches, 'modules' | 'nodes'>,
): JobSources {
  const identity = findModule(config)
  const module = caches.modules.get(identity)
  const [architecture = '', ...others] = listArchitectures(kernelVersion, module, caches)
  return {
    namespace: identity.namespace,
    module: identity,
    imageRepoSecret: config.spec?.imageRepoSecret?.name ?? '',
    serviceAccountName: findAccount(module),
    architecture: others.length === 0 ? architecture : '',
    tolerations: config.spec?.tolerations ?? [],
  }
}
