import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import { moduleImagesConfigs } from '../../api/resources.ts'
import { assertNever } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Action } from './decide.ts'

const resource = defineResource<ModuleImagesConfig>(moduleImagesConfigs)

/** Carries out one action. */
export async function execute(
  action: Action,
  client: KubeClient,
  caches: Caches,
  { signal }: ExecuteContext,
): Promise<void> {
  switch (action.type) {
    case 'createImages':
      caches.moduleImagesConfigs.written(await client.create(resource, action.config, { signal }))
      return
    case 'patchImages': {
      const { namespace, name, resourceVersion, spec } = action
      const body = { metadata: { resourceVersion }, spec }
      caches.moduleImagesConfigs.written(
        await client.patch(resource, { namespace, name }, { type: 'merge', body }, { signal }),
      )
      return
    }
    default:
      return assertNever(action)
  }
}
