import { moduleNameLabel } from '../../api/labels.ts'
import { KmmError } from '../../errors/error.ts'
import { pods } from '../../kube/core-resources.ts'
import { isPluginPod, trimPod } from '../cluster/pod-view.ts'
import type { Action } from './action.ts'
import type { WorkTools } from './execute.ts'

type CreatePod = Extract<Action, { type: 'createPod' }>

/**
 * Asks the API server itself for the Module's device plugin and DRA pods on the node, as news of a pod may be late, and what
 * is unloaded under one is lost to it. One list for each unload; fails with `Conflict` where there is one, which the next pass
 * then sees.
 */
export async function refuseUnderPlugins(
  { intent, node }: CreatePod,
  { client, caches }: WorkTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name } = intent
  const { items } = await client.list(pods, {
    namespace,
    labelSelector: `${moduleNameLabel}=${name}`,
    fieldSelector: `spec.nodeName=${node.name}`,
    signal,
  })
  const plugins = items.filter((pod) => {
    const view = trimPod(pod)
    return isPluginPod(view) && view.needsModule
  })
  if (plugins.length === 0) return
  for (const pod of plugins) caches.pods.written(pod)
  const message = `pod ${plugins[0]?.metadata?.name ?? ''} of Module ${namespace}/${name} has come to node ${node.name}; the module is unloaded when it is gone`
  throw new KmmError(message, { code: 'Conflict' })
}
