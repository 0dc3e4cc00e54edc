import { imagesModuleAnnotation } from '../../api/annotations.ts'
import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { ModuleIdentity } from '../../kernel/variables.ts'
import type { Caches } from './caches.ts'

type Metadata = Pick<ModuleImagesConfig, 'metadata'>

/** The PreflightValidation that a ModuleImagesConfig belongs to; undefined for that of a Module. */
export function findPreflight({ metadata }: Metadata): { name: string; uid: string } | undefined {
  const owners = metadata.ownerReferences ?? []
  return owners.find(({ kind, controller }) => kind === 'PreflightValidation' && controller === true)
}

/** False where images are made to see that they can be, and go nowhere. */
export const isPushed = ({ spec }: Pick<ModuleImagesConfig, 'spec'>): boolean => spec?.pushBuiltImage !== false

/** The Module whose images a ModuleImagesConfig is about: its owner, or the one that a preflight names; else that of its name. */
export function findModule({ metadata }: Metadata): ModuleIdentity {
  const { namespace, name, annotations = {}, ownerReferences = [] } = metadata
  const named = annotations[imagesModuleAnnotation]
  if (named !== undefined && findPreflight({ metadata }) !== undefined) return { namespace, name: named }
  const owner = ownerReferences.find(({ kind, controller }) => kind === 'Module' && controller === true)
  return { namespace, name: owner?.name ?? name }
}

/** The Module's own ModuleImagesConfig. One of a preflight may have its name for a moment, until the preflight takes another. */
export function getImagesConfig(
  { namespace, name }: ModuleIdentity,
  { moduleImagesConfigs }: Pick<Caches, 'moduleImagesConfigs'>,
): ModuleImagesConfig | undefined {
  const config = moduleImagesConfigs.get({ namespace, name })
  return config !== undefined && findPreflight(config) === undefined ? config : undefined
}
