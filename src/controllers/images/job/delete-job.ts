import { hasCode } from '../../../errors/error.ts'
import { pods } from '../../../kube/core-resources.ts'
import { releaseFinalizer } from '../../cluster/release-finalizer.ts'
import type { ImageAction } from '../action.ts'
import type { JobTools } from './create-job.ts'

type DeleteJob = Extract<ImageAction, { type: 'deleteJob' }>

/** Takes off what an upstream operator left on the pod: nobody else would, and the pod would stay for ever. */
async function releaseUpstream(
  { config, job }: DeleteJob,
  tools: Pick<JobTools, 'client' | 'caches'>,
  signal: AbortSignal,
): Promise<void> {
  for (const finalizer of job.finalizers) {
    // Read anew each time: the place of a finalizer in the list changes with the one before.
    const pod = tools.caches.pods.get({ namespace: config.metadata.namespace, name: job.name })
    if (pod?.uid === job.uid && pod.finalizers.includes(finalizer))
      await releaseFinalizer(pod, finalizer, tools, signal)
  }
}

/** Deletes the pod of a job, and no other of its name; one that is gone is no error. */
export async function deleteJob(
  action: DeleteJob,
  tools: Pick<JobTools, 'client' | 'caches'>,
  signal: AbortSignal,
): Promise<void> {
  const { name, uid } = action.job
  const { namespace } = action.config.metadata
  const options = { preconditions: { uid }, signal }
  const remaining = await tools.client.delete(pods, { namespace, name }, options).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound', 'Conflict')) throw error
    return undefined
  })
  // One that still runs stays in sight: what it did until its end is still to be read.
  tools.caches.pods.deleted({ namespace, name }, uid, remaining)
  await releaseUpstream(action, tools, signal)
}
