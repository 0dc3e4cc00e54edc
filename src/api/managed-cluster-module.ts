import { moduleSpec } from './module.ts'
import type { ObjectMeta } from './object-meta.ts'
import { type Infer, integer, map, object, optional, string } from './schema/builder.ts'

const spec = object(
  {
    moduleSpec: optional(moduleSpec, 'Spec of the Module on each cluster.'),
    selector: map(string(), 'Labels of the managed clusters that the Module is for.'),
    spokeNamespace: string('Namespace of the Module on each cluster.'),
  },
  'What is wanted.',
)
export type ManagedClusterModuleSpec = Infer<typeof spec>

const status = object(
  {
    numberApplied: optional(integer('Clusters where it was applied.', { format: 'int32' })),
    numberDegraded: optional(integer('Clusters where it is degraded.', { format: 'int32' })),
    numberDesired: optional(integer('Clusters where it should be.', { format: 'int32' })),
  },
  'What is the case.',
)
export type ManagedClusterModuleStatus = Infer<typeof status>

/** The schema of `spec` and `status` of a ManagedClusterModule. */
export const managedClusterModuleFields = { spec: optional(spec), status: optional(status) }

/** A Module for many clusters, on an Open Cluster Management hub. */
export interface ManagedClusterModule {
  apiVersion?: string
  kind?: string
  metadata: ObjectMeta
  spec?: ManagedClusterModuleSpec
  status?: ManagedClusterModuleStatus
}
