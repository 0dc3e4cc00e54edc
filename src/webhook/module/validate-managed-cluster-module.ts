import type { ManagedClusterModule } from '../../api/managed-cluster-module.ts'
import type { Findings } from './finding.ts'
import { isExempt, validateModuleSpec } from './validate-module.ts'

/** The rules of Modules for the Module that each cluster gets; the names and versions of those clusters are not known here (upstream). */
export function validateManagedClusterModule(object: ManagedClusterModule, old?: ManagedClusterModule): Findings {
  if (old !== undefined && isExempt(object, old)) return { errors: [], warnings: [] }
  return validateModuleSpec(object.spec?.moduleSpec, old?.spec?.moduleSpec, { path: 'spec.moduleSpec' })
}
