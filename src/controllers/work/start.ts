import type { NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import { assertNever } from '../../errors/error.ts'
import { defined } from '../cluster/defined.ts'
import type { Goal } from './intent.ts'
import type { ObservedModule, ObservedNode, Refusal } from './observed.ts'
import { makeWait, type PodDecision } from './pod-decision.ts'
import { makeReported } from './reported.ts'
import type { WorkerIntent } from './worker-intent.ts'

function decideRefused(
  module: ObservedModule,
  refusal: Refusal,
  action: 'Load' | 'Unload',
  nowMs: number,
): PodDecision {
  const { reason, attempt, message, untilMs } = refusal
  return {
    reported: makeReported(module, action, { reason, attempt, message }, nowMs),
    waits: [makeWait(reason, message, untilMs)],
  }
}

function decidePluginsRunning(module: ObservedModule, node: string, nowMs: number): PodDecision {
  const { pluginPods, pluginWords } = module
  const message = `${pluginPods} device plugin or DRA pod(s) of this Module still run on node ${node}: ${pluginWords}; the module is unloaded when they are gone`
  const reported = makeReported(module, 'Unload', { reason: 'DevicePluginStillRunning', attempt: 0, message }, nowMs)
  return { reported, waits: [makeWait('DevicePluginStillRunning', message)] }
}

function decideRun(module: ObservedModule, intent: WorkerIntent, observed: ObservedNode, nowMs: number): PodDecision {
  const { node, config } = observed
  const hash = observed.hashOfIntent(intent)
  const refusal = module.refusal?.hash === hash ? module.refusal : undefined
  // First, as they keep the module in the kernel even when the node is back.
  if (intent.action === 'Unload' && module.pluginPods > 0) return decidePluginsRunning(module, node.name, nowMs)
  if (!node.ready)
    return {
      waits: [makeWait('NodeNotReady', `node ${node.name} is not ready: its kubelet would not start the worker`)],
    }
  const create = { type: 'createPod' as const, intent, hash, node, config }
  if (refusal === undefined) return { pods: [{ ...create, refusedAttempts: 0 }] }
  const refused = decideRefused(module, refusal, intent.action, nowMs)
  return nowMs < refusal.untilMs ? refused : { ...refused, pods: [{ ...create, refusedAttempts: refusal.attempt }] }
}

/**
 * What the plan changed of how an image is fetched concerns no kernel: it is taken over for the unload to come. The digest
 * is that of what is loaded.
 */
function refresh({ entry, loaded }: ObservedModule): NodeModuleStatusItem | undefined {
  if (entry === undefined || loaded === undefined) return loaded
  const { imageDigest: _next, ...config } = entry.config
  const { bootId } = loaded
  return {
    ...entry,
    config: { ...config, ...defined({ imageDigest: loaded.config?.imageDigest }) },
    ...defined({ bootId }),
  }
}

/** Decides for a Module that has no worker pod on the node. */
export function decideStart(module: ObservedModule, goal: Goal, observed: ObservedNode, nowMs: number): PodDecision {
  switch (goal.kind) {
    case 'converged':
      return { loaded: refresh(module), reported: undefined }
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
    case 'hold': {
      const { reason, message, againMs } = goal
      const untilMs = againMs === undefined ? undefined : nowMs + againMs
      return { reported: undefined, waits: [makeWait(reason, message, untilMs)] }
    }
    case 'leave': {
      const { node, config } = observed
      const { loaded, why } = goal
      return { loaded: undefined, reported: undefined, events: [{ type: 'recordLeft', node, config, loaded, why }] }
    }
    case 'run':
      return decideRun(module, goal.intent, observed, nowMs)
    default:
      return assertNever(goal)
  }
}
