import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { ServiceAccount } from 'kubernetes-types/core/v1.js'
import { nodeLabelerFinalizer } from '../../api/finalizers.ts'
import { assertNever, describeError, hasCode } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { daemonSets, nodes, serviceAccounts } from '../../kube/core-resources.ts'
import { type DeviceClass, deviceClasses } from '../../kube/device-class.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { WorkloadRefusals } from '../cluster/refusals.ts'
import { defined } from '../cluster/defined.ts'
import { releaseFinalizer } from '../cluster/release-finalizer.ts'
import type { Action } from './decide.ts'

/** What `workloads` acts with. */
export interface WorkloadsTools {
  client: KubeClient
  caches: Caches
  refusals: WorkloadRefusals
}

/** How soon what was refused is tried again. */
const refusedForMs = 300_000

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

async function labelNode(
  { node, labels }: ActionOf<'labelNode'>,
  client: KubeClient,
  caches: Caches,
  signal: AbortSignal,
): Promise<void> {
  const body = { metadata: { labels } }
  caches.nodes.written(await client.patch(nodes, { name: node }, { type: 'merge', body }, { signal }))
}

type PluginAction = ActionOf<'createServiceAccount' | 'createDaemonSet' | 'replaceDaemonSet'>

/** True for an answer that says no to what is asked for, remembered for the next pass and the Module's status. */
function noteRefusal(
  { module, role }: PluginAction,
  error: unknown,
  { refusals }: WorkloadsTools,
  nowMs: number,
): boolean {
  if (!hasCode(error, 'Invalid', 'Forbidden')) return false
  const { namespace, name, uid, generation } = module.metadata
  refusals.daemonSets.set(`${namespace}/${name}`, role, {
    module: defined({ uid, generation }),
    message: describeError(error),
    untilMs: nowMs + refusedForMs,
  })
  return true
}

/** An account of that name that exists already, whoever made it, is used. */
async function createServiceAccount(
  action: ActionOf<'createServiceAccount'>,
  tools: WorkloadsTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const { module, name } = action
  const { namespace, name: moduleName, uid } = module.metadata
  const owner = {
    apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
    kind: 'Module',
    name: moduleName,
    uid: uid ?? '',
    controller: true,
  }
  const account: ServiceAccount = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { namespace, name, ownerReferences: [owner] },
  }
  try {
    await tools.client.create(serviceAccounts, account, { signal })
  } catch (error) {
    if (hasCode(error, 'AlreadyExists')) return
    noteRefusal(action, error, tools, nowMs)
    // Ends the pass: without its account the DaemonSet would have no pods.
    throw error
  }
}

/** The DaemonSet to send in place of the one that is there. */
function mergeDaemonSet({ present, wanted }: ActionOf<'replaceDaemonSet'>): DaemonSet {
  const metadata = {
    ...present.metadata,
    labels: { ...present.metadata?.labels, ...wanted.metadata?.labels },
    annotations: { ...present.metadata?.annotations, ...wanted.metadata?.annotations },
  }
  // The selector cannot be changed.
  const spec = { ...wanted.spec, selector: present.spec?.selector } as NonNullable<DaemonSet['spec']>
  return { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec }
}

/** Writes a DaemonSet; one that the API server does not take must not keep the rest of the Module from being seen to. */
async function writeDaemonSet(
  action: ActionOf<'createDaemonSet' | 'replaceDaemonSet'>,
  tools: WorkloadsTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const { client, caches, refusals } = tools
  const { namespace, name } = action.module.metadata
  try {
    const written =
      action.type === 'createDaemonSet'
        ? await client.create(daemonSets, action.daemonSet, { signal })
        : await client.replace(daemonSets, mergeDaemonSet(action), { signal })
    caches.daemonSets.written(written)
    refusals.daemonSets.delete(`${namespace}/${name}`, action.role)
  } catch (error) {
    if (!noteRefusal(action, error, tools, nowMs)) throw error
  }
}

async function deleteDaemonSet(
  { daemonSet }: ActionOf<'deleteDaemonSet'>,
  client: KubeClient,
  caches: Caches,
  signal: AbortSignal,
): Promise<void> {
  const { namespace = '', name = '', uid = '' } = daemonSet.metadata ?? {}
  const remaining = await client.delete(
    daemonSets,
    { namespace, name },
    { preconditions: { uid }, propagationPolicy: 'Background', signal },
  )
  caches.daemonSets.deleted({ namespace, name }, uid, remaining)
}

/** Replaces what the Module says, and keeps what somebody else added. */
function mergeDeviceClass({ present, wanted }: ActionOf<'replaceDeviceClass'>): DeviceClass {
  const { selectors: _selectors, config: _config, ...spec } = present.spec ?? {}
  return { ...present, ...wanted, metadata: present.metadata ?? {}, spec: { ...spec, ...wanted.spec } }
}

/** Writes a DeviceClass; one that the API server does not take must not keep the others from being made. */
async function writeDeviceClass(
  action: ActionOf<'createDeviceClass'> | ActionOf<'replaceDeviceClass'>,
  { client, caches, refusals }: WorkloadsTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const { module, wanted } = action
  const name = wanted.metadata?.name ?? ''
  try {
    const written =
      action.type === 'createDeviceClass'
        ? await client.create(deviceClasses, wanted, { signal })
        : await client.replace(deviceClasses, mergeDeviceClass(action), { signal })
    caches.deviceClasses.written(written)
    refusals.deviceClasses.delete(module, name)
  } catch (error) {
    if (!hasCode(error, 'Invalid', 'Forbidden')) throw error
    refusals.deviceClasses.set(module, name, { wanted, message: describeError(error), untilMs: nowMs + refusedForMs })
  }
}

async function deleteDeviceClass(
  { deviceClass }: ActionOf<'deleteDeviceClass'>,
  { client, caches }: WorkloadsTools,
  signal: AbortSignal,
): Promise<void> {
  const { name = '', uid = '', resourceVersion = '' } = deviceClass.metadata ?? {}
  // Somebody may have taken the labels off since.
  const preconditions = { uid, resourceVersion }
  const remaining = await client.delete(deviceClasses, { name }, { preconditions, signal })
  caches.deviceClasses.deleted({ name }, uid, remaining)
}

/** Carries out one action. */
export async function execute(action: Action, tools: WorkloadsTools, context: ExecuteContext): Promise<void> {
  const { client, caches } = tools
  const { signal } = context
  switch (action.type) {
    case 'labelNode':
      return labelNode(action, client, caches, signal)
    case 'createServiceAccount':
      return createServiceAccount(action, tools, context)
    case 'createDaemonSet':
    case 'replaceDaemonSet':
      return writeDaemonSet(action, tools, context)
    case 'deleteDaemonSet':
      return deleteDaemonSet(action, client, caches, signal)
    case 'createDeviceClass':
    case 'replaceDeviceClass':
      return writeDeviceClass(action, tools, context)
    case 'deleteDeviceClass':
      return deleteDeviceClass(action, tools, signal)
    case 'releasePod':
      return releaseFinalizer(action.pod, nodeLabelerFinalizer, { client, caches }, signal)
    default:
      return assertNever(action)
  }
}
