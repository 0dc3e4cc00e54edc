import { assertNever } from '../../errors/error.ts'
import type { Goal } from './intent.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { makeWait, type PodDecision } from './pod-decision.ts'
import { makeReported } from './reported.ts'
import type { WorkerIntent } from './worker-intent.ts'

function decideRun(module: ObservedModule, intent: WorkerIntent, observed: ObservedNode, nowMs: number): PodDecision {
  const { node } = observed
  if (!node.ready)
    return {
      waits: [makeWait('NodeNotReady', `node ${node.name} is not ready: its kubelet would not start the worker`)],
    }
  if (intent.action === 'Unload' && module.pluginPods > 0) {
    const message = `${module.pluginPods} device plugin or DRA pod(s) of this Module still run on node ${node.name}; the module is unloaded when they are gone`
    const reported = makeReported(module, 'Unload', { reason: 'DevicePluginStillRunning', attempt: 0, message }, nowMs)
    return { reported, waits: [makeWait('DevicePluginStillRunning', message)] }
  }
  const { refusal } = module
  const fault = refusal && { reason: 'WorkerPodRefused' as const, attempt: refusal.attempt, message: refusal.message }
  const reported = fault ? { reported: makeReported(module, intent.action, fault, nowMs) } : {}
  if (refusal && nowMs < refusal.untilMs)
    return { ...reported, waits: [makeWait('WorkerPodRefused', refusal.message, refusal.untilMs)] }
  return {
    ...reported,
    pods: [
      {
        type: 'createPod',
        intent,
        hash: observed.hashOfIntent(intent),
        node,
        config: observed.config,
        podNamespace: module.namespaceTerminating ? observed.operatorNamespace : module.namespace,
        refusedAttempts: refusal?.attempt ?? 0,
      },
    ],
  }
}

/** Decides for a Module that has no worker pod on the node. */
export function decideStart(module: ObservedModule, goal: Goal, observed: ObservedNode, nowMs: number): PodDecision {
  switch (goal.kind) {
    case 'converged':
      return { reported: undefined }
    case 'forget':
      return { loaded: undefined, reported: undefined }
    case 'awaitPlan':
      return {
        waits: [
          makeWait(
            'NodeModulesConfigPending',
            `the node runs kernel ${observed.node.kernelVersion}; the plan is still for ${module.entry?.config.kernelVersion ?? 'another'}`,
          ),
        ],
      }
    case 'run':
      return decideRun(module, goal.intent, observed, nowMs)
    default:
      return assertNever(goal)
  }
}
