import {
  getModuleConfiguredLabel,
  getModuleInUseLabel,
  parseModuleConfiguredLabel,
  parseModuleInUseLabel,
} from '../../api/labels.ts'
import type { NodeModuleItem, NodeModulesConfig, NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import { formatKey, type OwnerReference } from '../../kube/object.ts'
import type { Decision, Wait } from '../../runtime/reconciler.ts'
import { defined } from '../cluster/defined.ts'
import { sameJson } from '../cluster/same-json.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { answerModule } from './answer.ts'
import { awaitPods } from './claim.ts'
import type { ObservedPlan } from './observed.ts'

/** What `plan` can do: one write a pass at the most, however many Modules changed. */
export type Action =
  | { type: 'createConfig'; config: NodeModulesConfig }
  | {
      type: 'patchConfig'
      name: string
      resourceVersion: string
      modules: readonly NodeModuleItem[]
      labels: Readonly<Record<string, string | null>>
      /** Set when the present owner is an earlier Node of this name. */
      ownerReferences?: readonly OwnerReference[]
    }
  | { type: 'deleteConfig'; name: string; uid: string; resourceVersion: string }

function decideItems(observed: ObservedPlan): { items: NodeModuleItem[]; waits: Wait[] } {
  const { node, modules, config, lost } = observed
  const items = new Map(((config ?? lost)?.spec?.modules ?? []).map((item) => [formatKey(item), item]))
  const waits: Wait[] = []
  for (const module of modules) {
    const key = formatKey(module)
    const answer = awaitPods(module, answerModule(module, node), observed)
    if (answer.kind === 'keep') waits.push({ reason: answer.reason, message: `${key}: ${answer.message}` })
    if (answer.kind === 'release') items.delete(key)
    else if (answer.item && !sameJson(items.get(key), answer.item)) items.set(key, answer.item)
  }
  return { items: [...items.values()], waits }
}

/** What is in the node's kernel, or was when its NodeModulesConfig was lost. */
const listLoaded = ({ config, lost }: ObservedPlan): readonly NodeModuleStatusItem[] => [
  ...(config?.status?.modules ?? []),
  ...(lost?.status?.modules ?? []),
]

/** The labels that finalisation and the kmm tools read: configured = in the spec, in use = anything of it is left on the node. */
function decideLabels(observed: ObservedPlan, items: readonly NodeModuleItem[]): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const item of items) labels[getModuleConfiguredLabel(item.namespace, item.name)] = ''
  const inUse = [...items, ...listLoaded(observed)]
  for (const item of inUse) labels[getModuleInUseLabel(item.namespace, item.name)] = ''
  for (const module of observed.busy.values()) labels[getModuleInUseLabel(module.namespace, module.name)] = ''
  return labels
}

const isOwnLabel = (key: string): boolean =>
  parseModuleConfiguredLabel(key) !== undefined || parseModuleInUseLabel(key) !== undefined

function diffLabels(
  present: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): Record<string, string | null> {
  const diff: Record<string, string | null> = {}
  for (const key of Object.keys(present)) if (isOwnLabel(key) && !(key in wanted)) diff[key] = null
  for (const [key, value] of Object.entries(wanted)) if (present[key] !== value) diff[key] = value
  return diff
}

const ownerOf = (node: NodeView): OwnerReference => ({ apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid })

function decideOwners(config: NodeModulesConfig, node: NodeView): OwnerReference[] | undefined {
  const owners = config.metadata?.ownerReferences ?? []
  if (owners.some(({ uid }) => uid === node.uid)) return undefined
  return [...owners.filter(({ kind }) => kind !== 'Node'), ownerOf(node)]
}

/** Nothing of any Module is left on the node. */
function isUnused(observed: ObservedPlan, items: readonly NodeModuleItem[]): boolean {
  return items.length === 0 && observed.busy.size === 0 && listLoaded(observed).length === 0
}

function decideExisting(observed: ObservedPlan, config: NodeModulesConfig, items: readonly NodeModuleItem[]): Action[] {
  const { name, uid = '', resourceVersion = '', labels = {} } = config.metadata
  if (isUnused(observed, items)) return [{ type: 'deleteConfig', name, uid, resourceVersion }]
  const owners = decideOwners(config, observed.node)
  const diff = diffLabels(labels, decideLabels(observed, items))
  const same = owners === undefined && Object.keys(diff).length === 0 && sameJson(items, config.spec?.modules)
  if (same) return []
  return [
    {
      type: 'patchConfig',
      name,
      resourceVersion,
      modules: items,
      labels: diff,
      ...defined({ ownerReferences: owners }),
    },
  ]
}

function decideNew(observed: ObservedPlan, items: readonly NodeModuleItem[]): Action[] {
  if (items.length === 0 && listLoaded(observed).length === 0) return []
  return [
    {
      type: 'createConfig',
      config: {
        apiVersion: 'kmm.sigs.x-k8s.io/v1beta1',
        kind: 'NodeModulesConfig',
        metadata: {
          name: observed.node.name,
          labels: decideLabels(observed, items),
          ownerReferences: [ownerOf(observed.node)],
        },
        spec: { modules: [...items] },
      },
    },
  ]
}

/** Decides what is to be in the node's kernel: at most one write. */
export function decide(observed: ObservedPlan): Decision<Action> {
  const { items, waits } = decideItems(observed)
  const deleting = observed.config?.metadata?.deletionTimestamp !== undefined
  if (deleting) return { actions: [], waits }
  const actions = observed.config ? decideExisting(observed, observed.config, items) : decideNew(observed, items)
  return { actions, waits }
}
