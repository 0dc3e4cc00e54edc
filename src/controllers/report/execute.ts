import { createHash } from 'node:crypto'
import type { Module } from '../../api/module.ts'
import { moduleFinalizer } from '../../api/finalizers.ts'
import { containsModulesLabel, getModuleInUseLabel, isNameTooLong } from '../../api/labels.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { modules as modulesResource, nodeModulesConfigs as nodeModulesConfigsResource } from '../../api/resources.ts'
import { assertNever, KmmError } from '../../errors/error.ts'
import type { KubeClient } from '../../kube/client.ts'
import { namespaces } from '../../kube/core-resources.ts'
import { tell } from '../../kube/events.ts'
import { keyOf } from '../../kube/object.ts'
import { defineResource } from '../../kube/resource.ts'
import type { ExecuteContext } from '../../runtime/reconciler.ts'
import type { Caches } from '../cluster/caches.ts'
import type { Action } from './decide.ts'

const modules = defineResource<Module>(modulesResource)
const nodeModulesConfigs = defineResource<NodeModulesConfig>(nodeModulesConfigsResource)

/** What `report` acts with. */
export interface ReportTools {
  client: KubeClient
  caches: Caches
  /** When each Module's status was last written (epoch); written here, read by `observe`. */
  lastWrites: Map<string, number>
  /** Writes a line into the log. */
  warn: (message: string) => void
}

type ActionOf<T extends Action['type']> = Extract<Action, { type: T }>

const keysOf = ({ metadata: { namespace, name } }: Module): { namespace: string; name: string } => ({
  namespace,
  name,
})

/**
 * Asks the API server itself whether a NodeModulesConfig still has to do with the Module: the news of one may be late, and so may
 * a write of `plan` whose answer was lost. Once the finalizer is off, what such a one names would stay loaded for ever. One
 * list for each Module that goes; fails with `Conflict` where there is one, which the next pass then sees.
 */
async function refuseWhileInUse(module: Module, { client, caches }: ReportTools, signal: AbortSignal): Promise<void> {
  const { namespace, name } = module.metadata
  // No NodeModulesConfig can carry a label for it.
  if (isNameTooLong({ namespace, name })) return
  const labelSelector = getModuleInUseLabel(namespace, name)
  const { items } = await client.list(nodeModulesConfigs, { labelSelector, limit: 1, signal })
  const [config] = items
  if (config === undefined) return
  caches.nodeModulesConfigs.written(config)
  throw new KmmError(
    `NodeModulesConfig ${config.metadata.name} has to do with Module ${namespace}/${name}; the Module is let go when nothing of it is left there`,
    { code: 'Conflict' },
  )
}

async function setFinalizers(
  { module, finalizers }: ActionOf<'setFinalizers'>,
  tools: ReportTools,
  signal: AbortSignal,
): Promise<void> {
  const { client, caches } = tools
  if (!finalizers.includes(moduleFinalizer)) await refuseWhileInUse(module, tools, signal)
  const body = { metadata: { resourceVersion: module.metadata.resourceVersion, finalizers } }
  const answer = await client.patch(modules, keysOf(module), { type: 'merge', body }, { signal })
  if (answer.metadata.deletionTimestamp !== undefined && finalizers.length === 0)
    caches.modules.deleted(keysOf(module), answer.metadata.uid)
  else caches.modules.written(answer)
}

async function labelNamespace(
  { name, present }: ActionOf<'labelNamespace'>,
  { client, caches }: ReportTools,
  signal: AbortSignal,
): Promise<void> {
  const body = { metadata: { labels: { [containsModulesLabel]: present ? '' : null } } }
  caches.namespaces.written(await client.patch(namespaces, { name }, { type: 'merge', body }, { signal }))
}

/** A merge patch keeps keys that it does not name: those that are gone must be named. */
function dropAbsent(status: object, present: object | undefined): object {
  const gone = Object.keys(present ?? {}).filter((key) => !(key in status))
  return { ...status, ...Object.fromEntries(gone.map((key) => [key, null])) }
}

/** A count that became zero is absent from the new object and must be named, too. */
function nestedDropAbsent(status: object, present: object | undefined): object {
  const nested = Object.entries(status).map(([key, value]) => {
    const before: unknown = present === undefined ? undefined : Reflect.get(present, key)
    const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value)
    return [key, isPlain && typeof before === 'object' && before !== null ? dropAbsent(value as object, before) : value]
  })
  return dropAbsent(Object.fromEntries(nested) as object, present)
}

async function writeStatus(
  { module, status }: ActionOf<'writeStatus'>,
  tools: ReportTools,
  { signal, nowMs }: ExecuteContext,
): Promise<void> {
  const body = {
    metadata: { resourceVersion: module.metadata.resourceVersion },
    status: nestedDropAbsent(status, module.status),
  }
  const answer = await tools.client.patch(
    modules,
    keysOf(module),
    { type: 'merge', body },
    { subresource: 'status', signal },
  )
  tools.lastWrites.set(keyOf(module), nowMs)
  tools.caches.modules.written(answer)
}

async function recordFailure(
  { module, reason, message }: ActionOf<'recordFailure'>,
  tools: ReportTools,
  signal: AbortSignal,
): Promise<void> {
  const { namespace, name, uid = '', generation = 0, resourceVersion = '' } = module.metadata
  const hash = createHash('sha256')
    .update(`${uid} ${generation} ${reason} ${resourceVersion}`)
    .digest('hex')
    .slice(0, 10)
  await tell(
    {
      name: `${name}.${hash}`,
      regarding: { apiVersion: 'kmm.sigs.x-k8s.io/v1beta1', kind: 'Module', namespace, name, uid },
      type: 'Warning',
      reason,
      message,
    },
    tools,
    signal,
  )
}

/** Carries out one action. */
export async function execute(action: Action, tools: ReportTools, context: ExecuteContext): Promise<void> {
  switch (action.type) {
    case 'setFinalizers':
      return setFinalizers(action, tools, context.signal)
    case 'labelNamespace':
      return labelNamespace(action, tools, context.signal)
    case 'writeStatus':
      return writeStatus(action, tools, context)
    case 'recordFailure':
      return recordFailure(action, tools, context.signal)
    default:
      return assertNever(action)
  }
}
