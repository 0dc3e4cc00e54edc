import type { NodeModuleStatusItem, WorkerStatus } from '../../api/node-modules-config.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import type { Action } from './action.ts'
import { decideModule } from './decide-module.ts'
import type { ModuleDecision } from './pod-decision.ts'
import { decideLabels } from './labels.ts'
import type { ObservedModule, ObservedNode, ObservedStranded } from './observed.ts'
import { sameJson } from '../cluster/same-json.ts'

interface Decided {
  module: ObservedModule
  decision: ModuleDecision
}

const byModule = (left: { namespace: string; name: string }, right: { namespace: string; name: string }): number =>
  `${left.namespace}/${left.name}` < `${right.namespace}/${right.name}` ? -1 : 1

/** Writes the status only when it differs, in the order in which it stands. */
function decideStatus({ config }: ObservedNode, decided: readonly Decided[]): Action[] {
  const present = config.status?.modules ?? []
  const rank = (item: { namespace: string; name: string }): number =>
    present.findIndex(({ namespace, name }) => namespace === item.namespace && name === item.name) + 1 ||
    present.length + 1
  const modules = decided
    .flatMap(({ decision }): NodeModuleStatusItem[] => (decision.loaded === undefined ? [] : [decision.loaded]))
    .sort((left, right) => rank(left) - rank(right) || byModule(left, right))
  const workers = decided
    .flatMap(({ decision }): WorkerStatus[] => (decision.reported === undefined ? [] : [decision.reported]))
    .sort(byModule)
  if (sameJson(modules, present) && sameJson(workers, config.status?.workers ?? [])) return []
  return [{ type: 'writeStatus', config, modules, workers }]
}

/** Once the status says what they have done. */
const decideDeparted = ({ node, departed }: ObservedNode): Action[] =>
  departed.length === 0 ? [] : [{ type: 'forgetPods', node: node.name, uids: departed }]

const isToldFirst = ({ type }: Action): boolean => type === 'recordVanished' || type === 'recordLeft'

/**
 * Decides what to do on one node. A label that no longer holds is withdrawn before anything is told. The status is written
 * before the label is published, the label before the pod that proves it is deleted: after a crash at any point the pod is
 * still there to be read again.
 */
export function decide(observed: ObservedNode | ObservedStranded, nowMs: number): Decision<Action> {
  const releases = observed.stranded.map((pod): Action => ({ type: 'releasePod', pod }))
  if (!('modules' in observed)) {
    const { node, loaded = [] } = observed
    const vouched = loaded.map((item) => ({ module: item, decision: { ready: true, loaded: item } }))
    const labels = node === undefined ? [] : decideLabels(node, vouched).withdraw
    return { actions: [...labels, ...releases], waits: [] }
  }
  const decided = observed.modules.map((module) => ({ module, decision: decideModule(module, observed, nowMs) }))
  const pods = decided.flatMap(({ decision }) => decision.pods)
  const events = decided.flatMap(({ decision }) => decision.events)
  const { withdraw, publish } = decideLabels(observed.node, decided)
  const actions: Action[] = [
    ...withdraw,
    // The status says that it was told, or forgets what is to be told.
    ...events.filter(isToldFirst),
    ...decideStatus(observed, decided),
    ...publish,
    ...decideDeparted(observed),
    ...events.filter((event) => !isToldFirst(event)),
    ...pods.filter(({ type }) => type === 'deletePod'),
    ...observed.strays.map(({ namespace, name, uid }): Action => ({ type: 'deletePod', namespace, name, uid })),
    ...releases,
    ...pods.filter(({ type }) => type === 'createPod'),
  ]
  const waits: Wait[] = decided.flatMap(({ decision }) => decision.waits)
  return { actions, waits }
}
