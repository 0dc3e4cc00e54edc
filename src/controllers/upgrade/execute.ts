import type { KubeClient } from '../../kube/client.ts'
import { nodes } from '../../kube/core-resources.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Action } from './decide.ts'

/** Carries out the only action: a patch of the node's labels. */
export async function execute(
  { node, labels }: Action,
  client: KubeClient,
  caches: Caches,
  { signal }: ExecuteContext,
): Promise<void> {
  const body = { metadata: { labels } }
  caches.nodes.written(await client.patch(nodes, { name: node }, { type: 'merge', body }, { signal }))
}
