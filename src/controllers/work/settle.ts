import type { NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Action } from './action.ts'
import { deleteWorkerPod } from './delete-worker-pod.ts'
import type { ObservedModule } from './observed.ts'
import type { PodDecision } from './pod-decision.ts'
import type { WorkerIntent } from './worker-intent.ts'
import type { Worker } from './worker.ts'

/** The status entry that says: this is in the kernel since that boot; an empty boot ID says that it may be. */
function statusItem(intent: WorkerIntent, bootId: string): NodeModuleStatusItem {
  return {
    namespace: intent.namespace,
    name: intent.name,
    serviceAccountName: intent.serviceAccountName,
    config: intent.config,
    bootId,
    ...(intent.imageRepoSecret === '' ? {} : { imageRepoSecret: { name: intent.imageRepoSecret } }),
    ...(intent.tolerations.length === 0 ? {} : { tolerations: [...intent.tolerations] }),
    ...(intent.version === '' ? {} : { version: intent.version }),
  }
}

const eventOf = (worker: Worker, node: NodeView, reason: 'ModuleLoaded' | 'ModuleUnloaded'): Action => ({
  type: 'recordEvent',
  node,
  podUid: worker.uid,
  reason,
  namespace: worker.intent.namespace,
  name: worker.intent.name,
})

/** Takes over the result of a worker that succeeded. A result of an earlier boot counts for nothing. */
export function settle(module: ObservedModule, worker: Worker, node: NodeView): PodDecision {
  const report = worker.state.kind === 'succeeded' ? worker.state.report : undefined
  const bootId = report?.bootID ?? node.bootId
  const pods = deleteWorkerPod(worker)
  if (worker.intent.action === 'Unload')
    return { loaded: undefined, reported: undefined, events: [eventOf(worker, node, 'ModuleUnloaded')], pods }
  if (bootId !== node.bootId) return { loaded: module.loaded, pods }
  const loaded = statusItem(worker.intent, bootId)
  return { loaded, reported: undefined, events: [eventOf(worker, node, 'ModuleLoaded')], pods }
}

function mayHaveStarted({ state }: Worker): boolean {
  return (
    state.kind === 'running' ||
    state.kind === 'failed' ||
    ((state.kind === 'pending' || state.kind === 'lost') && state.started)
  )
}

/**
 * The status entry to leave behind when a worker is given up: one that has started may have loaded or unloaded its
 * module, so the entry says "may be in the kernel" until another worker reports.
 */
export function recordDoubt(module: ObservedModule, worker: Worker): NodeModuleStatusItem | undefined {
  if (!mayHaveStarted(worker)) return module.loaded
  if (worker.intent.action === 'Load') return statusItem(worker.intent, '')
  return module.loaded === undefined ? undefined : { ...module.loaded, bootId: '' }
}
