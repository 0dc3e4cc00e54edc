import {
  getKernelModuleReadyNodeLabel,
  getKernelModuleVersionReadyNodeLabel,
  isDeprecatedReadyNodeLabel,
  parseKernelModuleReadyNodeLabel,
  parseKernelModuleVersionReadyNodeLabel,
  parseModuleVersionLabelName,
} from '../../api/labels.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Action } from './action.ts'
import type { ModuleDecision } from './pod-decision.ts'
import type { ObservedModule } from './observed.ts'

interface Decided {
  module: Pick<ObservedModule, 'namespace' | 'name'>
  decision: Pick<ModuleDecision, 'ready' | 'loaded'>
}

function wantedLabels(decided: readonly Decided[]): Map<string, string> {
  const wanted = new Map<string, string>()
  const ready = decided.filter(({ decision }) => decision.ready)
  for (const { module, decision } of ready) {
    const version = decision.loaded?.version ?? ''
    if (version !== '') wanted.set(getKernelModuleVersionReadyNodeLabel(module.namespace, module.name), version)
  }
  // Last: what says the version of x says, when empty, that x.version is loaded, and that one's device plugin waits for it.
  for (const { module } of ready) wanted.set(getKernelModuleReadyNodeLabel(module.namespace, module.name), '')
  return wanted
}

/** True for a label by which the operator says that a module is loaded, and no administrator asks for a version of x.ready. */
export function isReadyLabel([key, value]: readonly [key: string, value: string]): boolean {
  if (value !== '' && parseModuleVersionLabelName(key) !== undefined) return false
  return (
    parseKernelModuleReadyNodeLabel(key) !== undefined ||
    parseKernelModuleVersionReadyNodeLabel(key) !== undefined ||
    isDeprecatedReadyNodeLabel(key)
  )
}

/** What is to change of the ready labels: what goes, and what is set. */
export interface LabelActions {
  withdraw: Action[]
  publish: Action[]
}

/** At most two patches that bring the node's ready labels to what is loaded; none when they are right. */
export function decideLabels(node: NodeView, decided: readonly Decided[]): LabelActions {
  const wanted = wantedLabels(decided)
  const gone = Object.entries(node.labels).filter((label) => isReadyLabel(label) && !wanted.has(label[0]))
  const missing = [...wanted].filter(([key, value]) => node.labels[key] !== value)
  const label = (labels: readonly (readonly [string, string | null])[], boot: { bootId?: string }): Action[] =>
    labels.length === 0 ? [] : [{ type: 'labelNode', node: node.name, labels: Object.fromEntries(labels), ...boot }]
  const removed = gone.map(([key]) => [key, null] as const)
  return { withdraw: label(removed, {}), publish: label(missing, { bootId: node.bootId }) }
}
