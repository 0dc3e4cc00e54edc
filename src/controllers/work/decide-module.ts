import { assertNever } from '../../errors/error.ts'
import { defined } from '../cluster/defined.ts'
import { isLoadedAsWanted } from '../cluster/module-on-node.ts'
import { chooseGoal, type Goal } from './intent.ts'
import { deleteWorkerPod } from './delete-worker-pod.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { makeWait, type ModuleDecision, type PodDecision } from './pod-decision.ts'
import { describeWorkerFailure, makeReported } from './reported.ts'
import { recordDoubt, settle } from './settle.ts'
import { decideStart } from './start.ts'
import { sameWork, type Worker } from './worker.ts'

/** A pod that ended without a result stays this long as evidence before another one is made. */
const retryLostAfterMs = 30_000

function decideSuperseded(module: ObservedModule, worker: Worker): PodDecision {
  return {
    loaded: recordDoubt(module, worker),
    pods: deleteWorkerPod(worker),
    waits: [makeWait('WorkerRunning', `pod ${worker.podName} does what is no longer wanted and is being deleted`)],
  }
}

function decideLost(module: ObservedModule, worker: Worker, message: string, nowMs: number): PodDecision {
  const reported = makeReported(module, worker.intent.action, { reason: 'WorkerLost', attempt: 1, message }, nowMs)
  const untilMs = Date.parse(reported.since) + retryLostAfterMs
  if (nowMs >= untilMs) return { reported, pods: deleteWorkerPod(worker) }
  return { reported, waits: [makeWait('WorkerLost', message, untilMs)] }
}

/** The kubelet's words for an image or a container that it cannot get. */
const unavailable = /Image|CreateContainer/

function decidePending(
  module: ObservedModule,
  worker: Worker,
  state: { reason: string; message: string },
  nowMs: number,
): PodDecision {
  const message = `${state.reason} ${state.message}`.trim()
  if (!unavailable.test(state.reason))
    return { waits: [makeWait('WorkerPodPending', message || `pod ${worker.podName} is pending`)] }
  const fault = { reason: 'WorkerImageUnavailable' as const, attempt: 1, message }
  return {
    reported: makeReported(module, worker.intent.action, fault, nowMs),
    waits: [makeWait('WorkerImageUnavailable', message)],
  }
}

function decideWithMatching(module: ObservedModule, worker: Worker, current: boolean, nowMs: number): PodDecision {
  const { state } = worker
  const replace = current ? [] : deleteWorkerPod(worker)
  switch (state.kind) {
    case 'running':
      return {
        ...(state.failed === undefined ? {} : { reported: describeWorkerFailure(module, worker, state.failed, nowMs) }),
        waits: [makeWait('WorkerRunning', `pod ${worker.podName} is running`)],
      }
    case 'pending':
      return { ...decidePending(module, worker, state, nowMs), pods: replace }
    case 'failed':
      return {
        reported: describeWorkerFailure(module, worker, state.failed, nowMs),
        pods: replace,
        waits: [makeWait('WorkerRunning', `pod ${worker.podName} failed and is tried again by the kubelet`)],
      }
    case 'lost':
      return decideLost(module, worker, state.message, nowMs)
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

function decideWithWorker(module: ObservedModule, context: WorkerContext, nowMs: number): PodDecision {
  const { goal, worker, observed } = context
  if (goal.kind === 'run' && sameWork(goal.intent, worker.intent)) {
    if (worker.deleting) return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is being deleted`)] }
    return decideWithMatching(module, worker, observed.hashOfIntent(goal.intent) === worker.hash, nowMs)
  }
  // A second load of what is loaded already changes nothing: let it end.
  if (isRepeatedLoad(module, context)) return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is running`)] }
  return decideSuperseded(module, worker)
}

function decidePods(module: ObservedModule, observed: ObservedNode, nowMs: number): PodDecision {
  const [worker, ...duplicates] = module.workers
  const finished = module.workers.find(({ state }) => state.kind === 'succeeded')
  if (finished) return settle(module, finished, observed.node)
  const goal = chooseGoal(module, observed.node)
  if (worker === undefined) return decideStart(module, goal, observed, nowMs)
  const decision = decideWithWorker(module, { goal, worker, observed }, nowMs)
  return { ...decision, pods: [...(decision.pods ?? []), ...duplicates.flatMap(deleteWorkerPod)] }
}

/** Decides for one Module on one node. */
export function decideModule(module: ObservedModule, observed: ObservedNode, nowMs: number): ModuleDecision {
  const pods = decidePods(module, observed, nowMs)
  const loaded = 'loaded' in pods ? pods.loaded : module.loaded
  return {
    loaded,
    reported: 'reported' in pods ? pods.reported : module.reported,
    ready: isLoadedAsWanted(defined({ entry: module.entry, loaded }), observed.node),
    events: pods.events ?? [],
    pods: pods.pods ?? [],
    waits: pods.waits ?? [],
  }
}
