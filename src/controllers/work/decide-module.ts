import { assertNever } from '../../errors/error.ts'
import { chooseGoal, type Goal, isLoadedAsWanted } from './intent.ts'
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

function decideWithMatching(module: ObservedModule, worker: Worker, current: boolean, nowMs: number): PodDecision {
  const { state } = worker
  const replace = current ? [] : deleteWorkerPod(worker)
  switch (state.kind) {
    case 'running':
      return {
        ...(state.failed === undefined ? {} : { reported: describeWorkerFailure(module, worker, state.failed, nowMs) }),
        waits: [makeWait('WorkerRunning', `pod ${worker.podName} is running`)],
      }
    case 'pending': {
      const unavailable = /Image|CreateContainer/.test(state.reason)
      const message = `${state.reason} ${state.message}`.trim()
      return {
        ...(unavailable
          ? {
              reported: makeReported(
                module,
                worker.intent.action,
                { reason: 'WorkerImageUnavailable', attempt: 1, message },
                nowMs,
              ),
            }
          : {}),
        pods: replace,
        waits: [
          makeWait(
            unavailable ? 'WorkerImageUnavailable' : 'WorkerPodPending',
            message || `pod ${worker.podName} is pending`,
          ),
        ],
      }
    }
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

function decideWithWorker(
  module: ObservedModule,
  goal: Goal,
  worker: Worker,
  observed: ObservedNode,
  nowMs: number,
): PodDecision {
  if (goal.kind === 'run' && sameWork(goal.intent, worker.intent)) {
    if (worker.deleting) return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is being deleted`)] }
    return decideWithMatching(module, worker, observed.hashOfIntent(goal.intent) === worker.hash, nowMs)
  }
  // A second load of what is loaded already changes nothing: let it end.
  if (goal.kind === 'converged' && worker.intent.action === 'Load' && module.entry && worker.state.kind === 'running')
    return { waits: [makeWait('WorkerRunning', `pod ${worker.podName} is running`)] }
  return decideSuperseded(module, worker)
}

function decidePods(module: ObservedModule, observed: ObservedNode, nowMs: number): PodDecision {
  const [worker, ...duplicates] = module.workers
  const finished = module.workers.find(({ state }) => state.kind === 'succeeded')
  if (finished) return settle(module, finished, observed.node)
  const goal = chooseGoal(module, observed.node)
  if (worker === undefined) return decideStart(module, goal, observed, nowMs)
  const decision = decideWithWorker(module, goal, worker, observed, nowMs)
  return { ...decision, pods: [...(decision.pods ?? []), ...duplicates.flatMap(deleteWorkerPod)] }
}

/** Decides for one Module on one node. */
export function decideModule(module: ObservedModule, observed: ObservedNode, nowMs: number): ModuleDecision {
  const pods = decidePods(module, observed, nowMs)
  const loaded = 'loaded' in pods ? pods.loaded : module.loaded
  return {
    loaded,
    reported: 'reported' in pods ? pods.reported : module.reported,
    ready: isLoadedAsWanted(
      { ...module, ...(loaded === undefined ? { loaded: undefined } : { loaded }) } as ObservedModule,
      observed.node,
    ),
    events: pods.events ?? [],
    pods: pods.pods ?? [],
    waits: pods.waits ?? [],
  }
}
