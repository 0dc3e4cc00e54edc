import { hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { pods } from '../../kube/core-resources.ts'
import type { Caches } from './caches.ts'
import type { PodView } from './pod-view.ts'

/**
 * Takes one finalizer off a pod; a pod that is gone needs none. A JSON patch whose test fails when somebody else changed
 * the finalizers, rather than a list that overwrites theirs.
 */
export async function releaseFinalizer(
  pod: PodView,
  finalizer: string,
  { client, caches }: { client: KubeClient; caches: Pick<Caches, 'pods'> },
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid } = pod
  const path = `/metadata/finalizers/${pod.finalizers.indexOf(finalizer)}`
  const body = [
    { op: 'test', path: '/metadata/uid', value: uid },
    { op: 'test', path, value: finalizer },
    { op: 'remove', path },
  ]
  try {
    // The pod stays in sight until it is gone from its node.
    caches.pods.written(await client.patch(pods, { namespace, name }, { type: 'json', body }, { signal }))
  } catch (error) {
    if (!hasCode(error, 'NotFound')) throw error
    caches.pods.deleted({ namespace, name }, uid)
  }
}
