import { assertNever } from '../../errors/error.ts'
import { nodeModulesConfigs } from '../../api/resources.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import type { KubeClient } from '../../kube/client.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Action } from './decide.ts'

const resource = defineResource<NodeModulesConfig>(nodeModulesConfigs)

/** Carries out one action; every write is guarded by the resourceVersion that it was decided on. */
export async function execute(
  action: Action,
  client: KubeClient,
  caches: Caches,
  { signal }: ExecuteContext,
): Promise<void> {
  switch (action.type) {
    case 'createConfig':
      caches.nodeModulesConfigs.written(await client.create(resource, action.config, { signal }))
      return
    case 'patchConfig': {
      const { name, resourceVersion, modules, labels, ownerReferences } = action
      const metadata = { resourceVersion, labels, ...(ownerReferences ? { ownerReferences } : {}) }
      const body = { metadata, spec: { modules } }
      caches.nodeModulesConfigs.written(await client.patch(resource, { name }, { type: 'merge', body }, { signal }))
      return
    }
    case 'deleteConfig': {
      const { name, uid, resourceVersion } = action
      const remaining = await client.delete(
        resource,
        { name },
        { preconditions: { uid, resourceVersion }, propagationPolicy: 'Background', signal },
      )
      caches.nodeModulesConfigs.deleted({ name }, uid, remaining)
      return
    }
    default:
      return assertNever(action)
  }
}
