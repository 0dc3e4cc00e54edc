import { mostNameCharacters } from '../../api/labels.ts'
import type { ManagedClusterModule } from '../../api/managed-cluster-module.ts'
import type { Findings } from './finding.ts'
import { isExempt, validateModuleSpec } from './validate-module.ts'

/** The rules of Modules for the Module that each cluster gets; the names and versions of those clusters are not known here (upstream). */
export function validateManagedClusterModule(object: ManagedClusterModule, old?: ManagedClusterModule): Findings {
  if (old !== undefined && isExempt(object, old)) return { errors: [], warnings: [] }
  const { errors, warnings } = validateModuleSpec(object.spec?.moduleSpec, old?.spec?.moduleSpec, {
    path: 'spec.moduleSpec',
  })
  return { errors, warnings: [...warnOfLength(object), ...warnings] }
}

function warnOfLength({ metadata, spec }: ManagedClusterModule): string[] {
  const length = metadata.name.length + (spec?.spokeNamespace ?? '').length
  if (length <= mostNameCharacters) return []
  return [
    `metadata.name: name and spec.spokeNamespace together have ${length} characters, and clusters refuse a Module with more than ${mostNameCharacters}; shorten one of them`,
  ]
}
