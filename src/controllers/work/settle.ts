import type { NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { sameJson } from '../cluster/same-json.ts'
import type { Action } from './action.ts'
import { deleteWorkerPod } from './delete-worker-pod.ts'
import { decideLost } from './lost.ts'
import type { ObservedModule } from './observed.ts'
import type { PodDecision } from './pod-decision.ts'
import type { WorkerIntent } from './worker-intent.ts'
import type { Worker } from './worker.ts'
import type { FailedAttempt } from './worker-state.ts'

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

/** A pod that is being deleted stays in sight for a while: what it did has been told before, unless the status lacks it. */
function eventsOf(worker: Worker, node: NodeView, isNews: boolean): Action[] {
  if (worker.deleting && !isNews) return []
  return [eventOf(worker, node, worker.intent.action === 'Load' ? 'ModuleLoaded' : 'ModuleUnloaded')]
}

/** Takes over the result of a worker that succeeded. A load in another boot leaves a doubt: the pod's news may come before the Node's. */
export function settle(module: ObservedModule, worker: Worker, node: NodeView, nowMs: number): PodDecision {
  const report = worker.state.kind === 'succeeded' ? worker.state.report : undefined
  const bootId = report?.bootID ?? node.bootId
  const pods = deleteWorkerPod(worker)
  if (worker.intent.action === 'Unload') {
    const events = eventsOf(worker, node, module.loaded !== undefined)
    return { loaded: undefined, reported: undefined, events, pods }
  }
  if (bootId !== node.bootId || bootId === '') {
    const message = `the module was loaded in the boot ${bootId}, and the node is in ${node.bootId}; it is loaded again`
    // Of the two the report's may be the later one, which the Node does not say yet.
    return { ...decideLost(module, worker, { message, passed: true }, nowMs), loaded: statusItem(worker.intent, '') }
  }
  const loaded = statusItem(worker.intent, bootId)
  return { loaded, reported: undefined, events: eventsOf(worker, node, !sameJson(loaded, module.loaded)), pods }
}

/** Failures before anything is put into the kernel. */
const beforeInsertion: ReadonlySet<string> = new Set([
  'ImageNotFound',
  'RegistryUnauthorized',
  'RegistryUnreachable',
  'ImageInvalid',
  'ModuleNotInImage',
  'KernelMismatch',
])

/** The last attempt says that nothing of the Module is in the kernel, and none is under way. */
function isKnownToBeOut({ report }: FailedAttempt): boolean {
  return report !== undefined && beforeInsertion.has(report.reason) && report.modules.length === 0
}

function mayHaveStarted({ state, intent }: Worker): boolean {
  switch (state.kind) {
    case 'running':
      return true
    case 'failed':
      return intent.action === 'Unload' || !isKnownToBeOut(state.failed)
    case 'pending':
    case 'lost':
      return state.started
    default:
      return false
  }
}

/** A worker that may have put its module into the kernel, as far as anybody knows. */
export function mayHaveLoaded(worker: Worker): boolean {
  if (worker.intent.action !== 'Load') return false
  return worker.state.kind === 'succeeded' || mayHaveStarted(worker)
}

/**
 * The status entry to leave behind when a worker is given up: one that has started may have loaded or unloaded its
 * module, so the entry says "may be in the kernel" until another worker reports.
 */
export function recordDoubt(module: ObservedModule, worker: Worker, node: NodeView): NodeModuleStatusItem | undefined {
  const { loaded } = module
  if (!mayHaveStarted(worker)) return loaded
  if (worker.intent.action === 'Load') return statusItem(worker.intent, '')
  // What was in the kernel of an earlier boot is not in this one, and an unload puts nothing there.
  const isKnown = loaded === undefined || ((loaded.bootId ?? '') !== '' && loaded.bootId !== node.bootId)
  return isKnown ? loaded : { ...loaded, bootId: '' }
}
