import { assertNever } from '../../errors/error.ts'
import { nodeModulesConfigs } from '../../api/resources.ts'
import type { NodeModuleItem, NodeModulesConfig } from '../../api/node-modules-config.ts'
import type { KubeClient } from '../../kube/client.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Claims } from '../cluster/claims.ts'
import type { Action } from './decide.ts'

const resource = defineResource<NodeModulesConfig>(nodeModulesConfigs)

/** What `plan` acts with. */
export interface PlanTools {
  client: KubeClient
  caches: Caches
  /** Held while a write names a Module, so that its finalizer stays. */
  claims: Claims
}

const listModules = (items: readonly NodeModuleItem[] = []): string[] =>
  items.map(({ namespace, name }) => `${namespace}/${name}`)

/** Carries out one action; every write is guarded by the resourceVersion that it was decided on. */
export async function execute(action: Action, tools: PlanTools, { signal }: ExecuteContext): Promise<void> {
  const { client, caches, claims } = tools
  switch (action.type) {
    case 'createConfig':
      await claims.hold(listModules(action.config.spec?.modules), async () =>
        caches.nodeModulesConfigs.written(await client.create(resource, action.config, { signal })),
      )
      return
    case 'patchConfig': {
      const { name, resourceVersion, modules, labels, ownerReferences } = action
      const metadata = { resourceVersion, labels, ...(ownerReferences ? { ownerReferences } : {}) }
      const body = { metadata, spec: { modules } }
      await claims.hold(listModules(modules), async () =>
        caches.nodeModulesConfigs.written(await client.patch(resource, { name }, { type: 'merge', body }, { signal })),
      )
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
