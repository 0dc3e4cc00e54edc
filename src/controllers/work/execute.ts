import { nodeModulesConfigFinalizer } from '../../api/finalizers.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { nodeModulesConfigs } from '../../api/resources.ts'
import { assertNever, hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { pods } from '../../kube/core-resources.ts'
import { type EventInput, tell } from '../../kube/events.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { DepartedWorkers } from '../cluster/departed-workers.ts'
import type { Action } from './action.ts'
import { releaseFinalizer } from '../cluster/release-finalizer.ts'
import { createWorkerPod } from './create-worker-pod.ts'
import { labelNode } from './label-node.ts'
import type { Refusal } from './observed.ts'
import { shortHash } from './worker-name.ts'
import type { WorkerSettings } from './worker-pod.ts'

const configs = defineResource<NodeModulesConfig>(nodeModulesConfigs)

/** What `work` acts with. */
export interface WorkTools {
  client: KubeClient
  caches: Caches
  departed: DepartedWorkers
  settings: WorkerSettings
  /** Refused worker pods by `node namespace/name`; written here, read by `observe`. */
  refusals: Map<string, Refusal>
  /** When each worker pod was made, by uid and by the operator's clock; written here, read by `observe`. */
  madeAtMs: Map<string, number>
  /** Writes a line into the log. */
  warn: (message: string) => void
}

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

async function writeStatus(
  { config, modules, workers }: ActionOf<'writeStatus'>,
  tools: WorkTools,
  signal: AbortSignal,
): Promise<void> {
  const { name, resourceVersion } = config.metadata ?? {}
  const body = { metadata: { resourceVersion }, status: { modules, workers: workers.length === 0 ? null : workers } }
  const answer = await tools.client.patch(configs, { name }, { type: 'merge', body }, { subresource: 'status', signal })
  tools.caches.nodeModulesConfigs.written(answer)
}

async function recordLoadEvent(action: ActionOf<'recordEvent'>, tools: WorkTools, signal: AbortSignal): Promise<void> {
  const module = `${action.namespace}/${action.name}`
  const verb = action.reason === 'ModuleLoaded' ? 'loaded into' : 'unloaded from'
  await tell(
    {
      name: `${action.node.name}.${action.podUid}`,
      regarding: { apiVersion: 'v1', kind: 'Node', name: action.node.name, uid: action.node.uid },
      type: 'Normal',
      reason: action.reason,
      message: `Module ${module} ${verb} the kernel`,
      annotations: { module },
    },
    tools,
    signal,
  )
}

/** One event for each NodeModulesConfig and Module, however often it is told. */
async function recordVanished(
  { node, config, namespace, name, message }: ActionOf<'recordVanished'>,
  tools: WorkTools,
  signal: AbortSignal,
): Promise<void> {
  const module = `${namespace}/${name}`
  const event: EventInput = {
    name: `${node.name}.${shortHash(config.metadata.uid ?? '', module)}`,
    regarding: { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid },
    type: 'Warning',
    reason: 'ModuleVanished',
    message,
    annotations: { module },
  }
  await tell(event, tools, signal)
}

/** One event for each NodeModulesConfig, boot and image. */
async function recordLeft(
  { node, config, loaded, why }: ActionOf<'recordLeft'>,
  tools: WorkTools,
  signal: AbortSignal,
): Promise<void> {
  const module = `${loaded.namespace}/${loaded.name}`
  const certainty = loaded.bootId === node.bootId ? '' : 'what there may be of it '
  const cause = [config.metadata.uid ?? '', module, node.bootId, loaded.config.containerImage, 'left']
  const event: EventInput = {
    name: `${node.name}.${shortHash(...cause)}`,
    regarding: { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid },
    type: 'Normal',
    reason: 'ModuleLeftLoaded',
    message: `Module ${module} is released, and ${certainty}stays in the kernel until the next boot: ${why}`,
    annotations: { module },
  }
  await tell(event, tools, signal)
}

async function deletePod(
  { namespace, name, uid }: ActionOf<'deletePod'>,
  tools: WorkTools,
  signal: AbortSignal,
): Promise<void> {
  const options = { preconditions: { uid }, signal }
  const remaining = await tools.client.delete(pods, { namespace, name }, options).catch((error: unknown) => {
    if (!hasCode(error, 'NotFound')) throw error
    return undefined
  })
  // One that still runs stays in sight: what it did until its end is still to be read.
  tools.caches.pods.deleted({ namespace, name }, uid, remaining)
}

/** Carries out one action. */
export async function execute(action: Action, tools: WorkTools, { signal, nowMs }: ExecuteContext): Promise<void> {
  switch (action.type) {
    case 'writeStatus':
      return writeStatus(action, tools, signal)
    case 'labelNode':
      return labelNode(action, tools, signal)
    case 'recordEvent':
      return recordLoadEvent(action, tools, signal)
    case 'recordVanished':
      return recordVanished(action, tools, signal)
    case 'recordLeft':
      return recordLeft(action, tools, signal)
    case 'deletePod':
      return deletePod(action, tools, signal)
    case 'forgetPods':
      return tools.departed.forget(action.node, action.uids)
    case 'releasePod':
      return releaseFinalizer(action.pod, nodeModulesConfigFinalizer, tools, signal)
    case 'createPod':
      return createWorkerPod(action, tools, { signal, nowMs })
    default:
      return assertNever(action)
  }
}
