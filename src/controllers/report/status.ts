import type { ModuleStatus, NodeCounts, ReasonCount, WorstNode } from '../../api/module.ts'
import { defined } from '../cluster/defined.ts'
import { describeConditions } from './conditions.ts'
import type { ObservedReport, ReportedNode } from './observed.ts'

const worstNodesKept = 10
const maximumMessage = 512

function countReasons(nodes: readonly ReportedNode[]): ReasonCount[] {
  const counts = new Map<string, number>()
  for (const { standing } of nodes)
    if (standing.kind !== 'loaded') counts.set(standing.reason, (counts.get(standing.reason) ?? 0) + 1)
  return [...counts]
    .map(([reason, count]) => ({ reason, nodes: count }))
    .sort((left, right) => right.nodes - left.nodes || (left.reason < right.reason ? -1 : 1))
}

const severity = { failing: 0, progressing: 1, excluded: 2, outdated: 3, loaded: 4 }

/** The nodes that need attention most: failing before waiting before those that are left aside or have another version; oldest first. */
function listWorstNodes(nodes: readonly ReportedNode[]): WorstNode[] {
  const sinceOf = ({ standing }: ReportedNode): string => ('since' in standing ? (standing.since ?? '') : '')
  return nodes
    .filter(({ standing }) => standing.kind !== 'loaded')
    .sort(
      (left, right) =>
        severity[left.standing.kind] - severity[right.standing.kind] ||
        (sinceOf(left) < sinceOf(right) ? -1 : sinceOf(left) > sinceOf(right) ? 1 : left.name < right.name ? -1 : 1),
    )
    .slice(0, worstNodesKept)
    .flatMap(({ name, standing }) => {
      if (standing.kind === 'loaded') return []
      const since = 'since' in standing ? standing.since : undefined
      return [
        {
          node: name,
          reason: standing.reason,
          message: standing.message.slice(0, maximumMessage),
          ...(since === undefined ? {} : { since }),
        },
      ]
    })
}

/** Upstream's three numbers; a zero is left out, as upstream leaves it out. */
function makeCounts(matching: number, desired: number, available: number): NodeCounts {
  return {
    ...(matching === 0 ? {} : { nodesMatchingSelectorNumber: matching }),
    ...(desired === 0 ? {} : { desiredNumber: desired }),
    ...(available === 0 ? {} : { availableNumber: available }),
  }
}

function countLoader({ module, nodes }: ObservedReport): NodeCounts {
  if (module.spec?.moduleLoader === undefined) return {}
  const count = (is: (node: ReportedNode) => boolean): number => nodes.filter(is).length
  return makeCounts(
    count(({ targeted }) => targeted),
    count(({ configured }) => configured),
    count(({ available }) => available),
  )
}

function countPlugin({ module, plugin }: ObservedReport): NodeCounts {
  if (module.spec?.devicePlugin === undefined && module.spec?.dra === undefined) return {}
  return makeCounts(plugin.targeted, plugin.targeted, plugin.available)
}

/** The status that a Module is to have. */
export function makeStatus(observed: ObservedReport, now: string): ModuleStatus {
  const { module, images, nodes } = observed
  const trigger = images?.status?.imageRebuildTriggerGeneration
  const [reasons, worstNodes] = [countReasons(nodes), listWorstNodes(nodes)]
  const generation = module.metadata.generation
  return {
    moduleLoader: countLoader(observed),
    devicePlugin: module.spec?.dra ? {} : countPlugin(observed),
    dra: module.spec?.dra ? countPlugin(observed) : {},
    conditions: describeConditions(observed, now),
    ...defined({ imageRebuildTriggerGeneration: trigger, observedGeneration: generation }),
    ...(reasons.length === 0 ? {} : { reasons }),
    ...(worstNodes.length === 0 ? {} : { worstNodes }),
  }
}
