import { moduleFinalizer } from '../../api/finalizers.ts'
import type { Condition } from '../../api/condition.ts'
import type { Module, ModuleStatus } from '../../api/module.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { sameJson } from '../cluster/same-json.ts'
import { countNodes } from './conditions.ts'
import type { ObservedEmptyNamespace, ObservedReport, ReportedNode } from './observed.ts'
import { makeStatus } from './status.ts'

/** What `report` can do. */
export type Action =
  | { type: 'setFinalizers'; module: Module; finalizers: readonly string[] }
  | { type: 'labelNamespace'; name: string; present: boolean }
  | { type: 'writeStatus'; module: Module; status: ModuleStatus }
  /** A failure that the Module did not have before. */
  | { type: 'recordFailure'; module: Module; reason: string; message: string }

/** The Module's status is written at most once in this time. */
const statusIntervalMs = 1_000

/** How soon a Module that is claimed is looked at again. */
const claimIntervalMs = 500

function decideFinalizer({ module, nodes, claimed }: ObservedReport): Action[] {
  const finalizers = module.metadata.finalizers ?? []
  const has = finalizers.includes(moduleFinalizer)
  if (module.metadata.deletionTimestamp === undefined)
    return has ? [] : [{ type: 'setFinalizers', module, finalizers: [...finalizers, moduleFinalizer] }]
  if (!has || claimed || nodes.some(({ inUse }) => inUse)) return []
  return [{ type: 'setFinalizers', module, finalizers: finalizers.filter((each) => each !== moduleFinalizer) }]
}

/** A write that fails changes nothing that would wake anybody. */
function decideClaimWait({ module, claimed }: ObservedReport, nowMs: number): Wait[] {
  if (!claimed || module.metadata.deletionTimestamp === undefined) return []
  const message = 'a write that names the Module is under way'
  return [{ reason: 'NodeModulesConfigPending', message, untilMs: nowMs + claimIntervalMs }]
}

/** The controller of images says these itself, of each pod. */
const toldElsewhere: ReadonlySet<string> = new Set(['BuildFailed', 'SignFailed'])

function decideFailures({ module, nodes, namespace }: ObservedReport): Action[] {
  // Nothing new can be made there any more, events neither: the status alone tells it.
  if (namespace?.terminating) return []
  const known = new Set(module.status?.reasons?.map(({ reason }) => reason))
  const first = new Map<string, ReportedNode>()
  const counts = new Map<string, number>()
  for (const node of nodes) {
    if (node.standing.kind !== 'failing') continue
    const { reason } = node.standing
    counts.set(reason, (counts.get(reason) ?? 0) + 1)
    if (!first.has(reason)) first.set(reason, node)
  }
  return [...first].flatMap(([reason, node]): Action[] => {
    if (known.has(reason) || toldElsewhere.has(reason) || node.standing.kind !== 'failing') return []
    const message = `${countNodes(counts.get(reason) ?? 0)}, first ${node.name}: ${node.standing.message}`
    return [{ type: 'recordFailure', module, reason, message: message.slice(0, 1_000) }]
  })
}

/** A concern of device plugin or driver that the Module did not have before, told where no node says anything worse. */
function decidePluginFailure({ module, concerns }: ObservedReport, status: ModuleStatus): Action[] {
  const read = ({ conditions = [] }: ModuleStatus): Condition | undefined =>
    conditions.find(({ type }) => type === 'Degraded')
  const [now, before] = [read(status), read(module.status ?? {})]
  if (now === undefined || now.reason === before?.reason) return []
  const isTold = concerns.some((concern) => concern.kind === 'failing' && concern.reason === now.reason)
  return isTold ? [{ type: 'recordFailure', module, reason: now.reason, message: now.message.slice(0, 1_000) }] : []
}

function decideStatus(observed: ObservedReport, nowMs: number): Decision<Action> {
  const { module, lastWriteMs } = observed
  const now = new Date(Math.floor(nowMs / 1000) * 1000).toISOString().replace('.000Z', 'Z')
  const status = makeStatus(observed, now)
  if (sameJson(status, module.status)) return { actions: [], waits: [] }
  const dueMs = lastWriteMs + statusIntervalMs
  if (nowMs < dueMs) {
    const message = `the status is written at most every ${statusIntervalMs / 1000} s`
    return { actions: [], waits: [{ reason: 'NodeModulesConfigPending', message, untilMs: dueMs }] }
  }
  const failures = [...decideFailures(observed), ...decidePluginFailure(observed, status)]
  return { actions: [...failures, { type: 'writeStatus', module, status }], waits: [] }
}

/** Decides what to say of a Module, and whether it may exist, or may go. */
export function decide(observed: ObservedReport | ObservedEmptyNamespace, nowMs: number): Decision<Action> {
  if ('emptyNamespace' in observed)
    return { actions: [{ type: 'labelNamespace', name: observed.emptyNamespace.name, present: false }], waits: [] }
  const { namespace, module } = observed
  const finalizer = decideFinalizer(observed)
  const deleting = module.metadata.deletionTimestamp !== undefined
  const guard: Action[] =
    namespace && !namespace.containsModules && !deleting
      ? [{ type: 'labelNamespace', name: namespace.name, present: true }]
      : []
  // What is about to vanish needs no status.
  if (deleting && finalizer.length > 0) return { actions: finalizer, waits: [] }
  // The finalizer changes the resourceVersion that the status is decided on: one at a time.
  if (finalizer.length > 0) return { actions: [...guard, ...finalizer], waits: [] }
  const status = decideStatus(observed, nowMs)
  return { actions: [...guard, ...status.actions], waits: [...status.waits, ...decideClaimWait(observed, nowMs)] }
}
