import type { Action } from './action.ts'
import type { Worker } from './worker.ts'

/** The action that deletes a worker's pod; none while it is being deleted. */
export function deleteWorkerPod(worker: Worker): Action[] {
  if (worker.deleting) return []
  return [{ type: 'deletePod', namespace: worker.podNamespace, name: worker.podName, uid: worker.uid }]
}
