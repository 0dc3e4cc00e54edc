import type { Caches } from './caches.ts'
import { isWorkerPod, type PodView } from './pod-view.ts'

/**
 * Worker pods that went, as they were last seen. A kubelet tells how a deleted pod ended and takes it away in less time than
 * one pass may take: nobody else knows then what the worker did to the kernel.
 */
export interface DepartedWorkers {
  /** Those of a node that nobody has taken note of yet, marked as deleted. */
  list(nodeName: string): readonly PodView[]
  /** What these have done is written down. */
  forget(nodeName: string, uids: readonly string[]): void
  /** Calls with the node whose workers were taken note of: others may take their place. */
  onForgotten(listener: (nodeName: string) => void): void
}

/** A worker whose container never ran has done nothing. */
function hasStarted({ container: { state, last, restartCount }, phase }: PodView): boolean {
  const hasRun = state.kind === 'running' || state.kind === 'terminated' || last.kind === 'terminated'
  return hasRun || restartCount > 0 || phase === 'Succeeded' || phase === 'Failed'
}

/** Remembers them from what the caches tell. */
export function watchDepartedWorkers(caches: Pick<Caches, 'nodes' | 'pods' | 'nodeModulesConfigs'>): DepartedWorkers {
  const departed = new Map<string, readonly PodView[]>()
  const listeners: ((nodeName: string) => void)[] = []
  caches.pods.onChange(({ before, after }) => {
    if (before === undefined || before.uid === after?.uid) return
    const { nodeName } = before
    const isOfNode = caches.nodes.get({ name: nodeName }) && caches.nodeModulesConfigs.get({ name: nodeName })
    if (!isOfNode || !isWorkerPod(before) || !hasStarted(before)) return
    departed.set(nodeName, [...(departed.get(nodeName) ?? []), { ...before, deleting: true }])
  })
  caches.nodes.onChange(({ key, after }) => {
    if (after === undefined) departed.delete(key)
  })
  return {
    list: (nodeName) => departed.get(nodeName) ?? [],
    forget(nodeName, uids) {
      const left = (departed.get(nodeName) ?? []).filter(({ uid }) => !uids.includes(uid))
      if (left.length > 0) departed.set(nodeName, left)
      else departed.delete(nodeName)
      for (const tell of listeners) tell(nodeName)
    },
    onForgotten: (listener) => void listeners.push(listener),
  }
}
