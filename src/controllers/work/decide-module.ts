import { assertNever } from '../../errors/error.ts'
import type { Reason } from '../../errors/reason.ts'
import { defined } from '../cluster/defined.ts'
import { isLoadedAsWanted } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { chooseGoal, type Goal } from './intent.ts'
import { deleteWorkerPod } from './delete-worker-pod.ts'
import { tellHeld } from './held.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { makeWait, type ModuleDecision, type PodDecision } from './pod-decision.ts'
import { decideLost } from './lost.ts'
import { describeWorkerFailure, makeReported } from './reported.ts'
import { recordDoubt, settle } from './settle.ts'
import { decideStart } from './start.ts'
import { describeVolumeFailure, overOnceMounted, pendingVolumeAdvice, type WaitingWords } from './volume-failure.ts'
import { tellVanished } from './vanished.ts'
import { isUnaware } from './spared.ts'
import { sameWork, type Worker } from './worker.ts'
import type { WorkerIntent } from './worker-intent.ts'
import type { FailedAttempt } from './worker-state.ts'

/** A pod that cannot do its work is replaced after this time: a new one sees other pull secrets, another worker image. */
const replaceAfterMs = 900_000

/** A pod that is pending for longer is reported. */
const longPendingMs = 60_000

/** What stands in the way of a worker only until its pod runs. */
const overOnceRunning: ReadonlySet<string> = new Set([
  'WorkerPodRefused',
  'WorkerPodPending',
  'WorkerImageUnavailable',
  'ImageVolumeUnsupported',
  'DevicePluginStillRunning',
  'WorkerRunning',
])

function decideSuperseded(module: ObservedModule, worker: Worker, node: NodeView): PodDecision {
  return {
    loaded: recordDoubt(module, worker, node),
    pods: deleteWorkerPod(worker),
    waits: [makeWait('WorkerRunning', `pod ${worker.podName} does what is no longer wanted and is being deleted`)],
  }
}

/** The kubelet's words for an image or a container that it cannot get. */
const unavailable = /Image|CreateContainer/

function describePending(worker: Worker, state: WaitingWords): { reason: Reason; message: string } {
  const failure = describeVolumeFailure(worker, state)
  if (failure) return failure
  const words = `${state.reason} ${state.message}`.trim()
  if (unavailable.test(state.reason)) return { reason: 'WorkerImageUnavailable', message: words }
  const message = words === '' ? `pod ${worker.podName} is pending; kubectl describe pod tells why` : words
  const aside = worker.imageSource === 'volume' ? `; ${pendingVolumeAdvice}` : ''
  return { reason: 'WorkerPodPending', message: `${message}${aside}` }
}

function decidePending(module: ObservedModule, worker: Worker, state: WaitingWords, nowMs: number): PodDecision {
  const { reason, message } = describePending(worker, state)
  const reportAtMs = reason === 'WorkerPodPending' ? worker.createdAtMs + longPendingMs : nowMs
  if (nowMs < reportAtMs) return { waits: [makeWait(reason, message, reportAtMs)] }
  const fault = { reason, attempt: 1, message }
  return {
    reported: makeReported(module, worker.intent.action, fault, nowMs),
    waits: [makeWait(reason, message, worker.createdAtMs + replaceAfterMs)],
  }
}

function decideRunning(
  module: ObservedModule,
  worker: Worker,
  failed: FailedAttempt | undefined,
  nowMs: number,
): PodDecision {
  const waits = [makeWait('WorkerRunning', `pod ${worker.podName} is running`)]
  if (failed) return { reported: describeWorkerFailure(module, worker, failed, nowMs), waits }
  const reason = module.reported?.reason ?? ''
  const isOver = overOnceRunning.has(reason) || (worker.imageSource === 'volume' && overOnceMounted.has(reason))
  return isOver ? { reported: undefined, waits } : { waits }
}

function decideWithMatching(module: ObservedModule, worker: Worker, current: boolean, nowMs: number): PodDecision {
  const { state } = worker
  const replaceAtMs = worker.createdAtMs + replaceAfterMs
  const replace = current && nowMs < replaceAtMs ? [] : deleteWorkerPod(worker)
  switch (state.kind) {
    case 'running':
      return decideRunning(module, worker, state.failed, nowMs)
    case 'pending':
      return { ...decidePending(module, worker, state, nowMs), pods: replace }
    case 'failed': {
      const message = `pod ${worker.podName} failed and is tried again by the kubelet`
      return {
        reported: describeWorkerFailure(module, worker, state.failed, nowMs),
        pods: replace,
        waits: [makeWait('WorkerRunning', message, replaceAtMs)],
      }
    }
    case 'lost':
      return current ? decideLost(module, worker, state, nowMs) : { pods: replace }
    case 'succeeded':
      return {}
    default:
      return assertNever(state)
  }
}

interface WorkerContext {
  goal: Goal
  worker: Worker
  observed: ObservedNode
}

function isRepeatedLoad(module: ObservedModule, { goal, worker }: WorkerContext): boolean {
  const { intent, state } = worker
  return goal.kind === 'converged' && module.entry !== undefined && intent.action === 'Load' && state.kind === 'running'
}

function decideSameWork(
  module: ObservedModule,
  { worker, observed }: WorkerContext,
  intent: WorkerIntent,
  nowMs: number,
): PodDecision {
  if (worker.deleting) return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is being deleted`)] }
  const isUninformed = isUnaware(worker, module, observed)
  // A load may be fetching a large image: whoever comes can wait for it.
  if (isUninformed && worker.state.kind === 'running' && intent.action === 'Unload')
    return decideSuperseded(module, worker, observed.node)
  // It may know of more than it has to.
  const { sparedModules } = worker.intent
  const isCurrent = !isUninformed && observed.hashOfIntent({ ...intent, sparedModules }) === worker.hash
  return decideWithMatching(module, worker, isCurrent, nowMs)
}

function decideWithWorker(module: ObservedModule, context: WorkerContext, nowMs: number): PodDecision {
  const { goal, worker, observed } = context
  if (goal.kind === 'run' && sameWork(goal.intent, worker.intent)) {
    const decision = decideSameWork(module, context, goal.intent, nowMs)
    // Nobody will learn from it any more what it did, and perhaps it is not made again.
    const isEnding = worker.deleting || worker.state.kind === 'lost'
    return isEnding ? { ...decision, loaded: recordDoubt(module, worker, observed.node) } : decision
  }
  // A second load of what is loaded already changes nothing: let it end.
  if (isRepeatedLoad(module, context)) return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is running`)] }
  return decideSuperseded(module, worker, observed.node)
}

function decidePods(module: ObservedModule, observed: ObservedNode, nowMs: number): PodDecision {
  const [worker, ...duplicates] = module.workers
  const finished = module.workers.find(({ state }) => state.kind === 'succeeded')
  if (finished) return settle(module, finished, observed.node, nowMs)
  const goal = chooseGoal(module, observed)
  if (worker === undefined) return decideStart(module, goal, observed, nowMs)
  const decision = decideWithWorker(module, { goal, worker, observed }, nowMs)
  return { ...decision, pods: [...(decision.pods ?? []), ...duplicates.flatMap(deleteWorkerPod)] }
}

/** An unload that is given up may be done before its pod is gone, and nobody hears of it at once. */
const mayBeUnloading = ({ workers }: ObservedModule): boolean =>
  workers.some(({ intent, state }) => intent.action === 'Unload' && state.kind !== 'succeeded')

/** Decides for one Module on one node. */
export function decideModule(module: ObservedModule, observed: ObservedNode, nowMs: number): ModuleDecision {
  const pods = decidePods(module, observed, nowMs)
  const loaded = 'loaded' in pods ? pods.loaded : module.loaded
  const settled = { loaded, reported: 'reported' in pods ? pods.reported : module.reported }
  const present = tellHeld(module, settled, observed, nowMs)
  const { reported, events } = tellVanished(module, present, observed, nowMs)
  return {
    loaded,
    reported,
    ready: !mayBeUnloading(module) && isLoadedAsWanted(defined({ entry: module.entry, loaded }), observed.node),
    events: [...events, ...(pods.events ?? [])],
    pods: pods.pods ?? [],
    waits: pods.waits ?? [],
  }
}
