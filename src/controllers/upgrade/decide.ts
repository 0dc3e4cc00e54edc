import { getSchedulePodVersionLabelName, getWorkerPodVersionLabelName } from '../../api/labels.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { decideModule } from './decide-module.ts'
import type { ObservedUpgrade } from './observed.ts'

/** What `upgrade` can do: one patch of the node's labels a pass, null for those that go. */
export interface Action {
  type: 'labelNode'
  node: string
  labels: Readonly<Record<string, string | null>>
}

/** Decides the internal version labels of one node. A label with an empty value counts as missing, and is taken away. */
export function decide({ node, modules }: ObservedUpgrade): Decision<Action> {
  const labels: Record<string, string | null> = {}
  const waits: Wait[] = []
  const set = (key: string, value: string): void => {
    const present = node.labels[key]
    if (value === '' && present !== undefined) labels[key] = null
    if (value !== '' && present !== value) labels[key] = value
  }
  for (const module of modules) {
    const next = decideModule(module)
    set(getWorkerPodVersionLabelName(module.namespace, module.name), next.worker)
    set(getSchedulePodVersionLabelName(module.namespace, module.name), next.schedule)
    if (next.wait) waits.push(next.wait)
  }
  const actions: Action[] = Object.keys(labels).length === 0 ? [] : [{ type: 'labelNode', node: node.name, labels }]
  return { actions, waits }
}
