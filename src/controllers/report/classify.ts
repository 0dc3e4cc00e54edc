import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { type Reason, reportReasons } from '../../errors/reason.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { Answer, ReleaseReason } from '../plan/answer.ts'

/** What a Module is on one node. */
export type NodeStanding =
  | { kind: 'loaded' }
  /** Not for this node: nothing is expected of it. */
  | { kind: 'excluded'; reason: Reason | ReleaseReason; message: string }
  | { kind: 'progressing'; reason: Reason; message: string; since?: string }
  | { kind: 'failing'; reason: Reason; message: string; since?: string }

const failing: ReadonlySet<string> = new Set<string>([
  ...reportReasons,
  'WorkerPodRefused',
  'WorkerImageUnavailable',
  'WorkerLost',
  'ImageMissing',
  'MappingInvalid',
])

const excluded: ReadonlySet<string> = new Set(['NodeNotSchedulable', 'VersionDiffers', 'VersionLabelMissing'])

/** One node with everything that its standing follows from. */
export interface NodeFacts {
  node: NodeView
  config?: NodeModulesConfig
  answer: Answer
}

function standBy(reason: Reason, message: string, since?: string): NodeStanding {
  const fields = { reason, message, ...(since === undefined ? {} : { since }) }
  return failing.has(reason) ? { kind: 'failing', ...fields } : { kind: 'progressing', ...fields }
}

function standByAnswer(answer: Answer): NodeStanding {
  const { message } = answer.kind === 'want' ? { message: 'the plan is about to name it' } : answer
  if (answer.kind === 'want') return { kind: 'progressing', reason: 'NodeModulesConfigPending', message }
  if (answer.kind === 'release') return { kind: 'excluded', reason: answer.reason, message }
  if (excluded.has(answer.reason)) return { kind: 'excluded', reason: answer.reason, message }
  return standBy(answer.reason, message)
}

/** Tells how a Module stands on one node. */
export function classifyNode(
  { node, config, answer }: NodeFacts,
  module: { namespace: string; name: string },
): NodeStanding {
  const isIt = (item: { namespace: string; name: string }): boolean =>
    item.namespace === module.namespace && item.name === module.name
  const entry = config?.spec?.modules?.find(isIt)
  const loaded = config?.status?.modules?.find(isIt)
  const worker = config?.status?.workers?.find(isIt)
  if (worker) {
    return standBy(worker.reason as Reason, worker.message ?? '', worker.since)
  }
  const current = loaded?.config !== undefined && loaded.bootId === node.bootId && node.bootId !== ''
  if (entry && loaded?.config && current && sameKernelState(entry.config, loaded.config)) {
    // What stays loaded while a newer wish cannot be met is not "loaded as wanted".
    return answer.kind === 'keep' && failing.has(answer.reason) ? standByAnswer(answer) : { kind: 'loaded' }
  }
  if (answer.kind === 'keep' && !entry) return standByAnswer(answer)
  if ((entry || loaded) && !node.ready)
    return {
      kind: 'progressing',
      reason: 'NodeNotReady',
      message: `node ${node.name} is not ready: its kubelet would not start a worker`,
    }
  if (entry || (answer.kind === 'release' && loaded))
    return {
      kind: 'progressing',
      reason: 'WorkerRunning',
      message: entry ? 'the module is being loaded' : 'the module is being unloaded',
    }
  return standByAnswer(answer)
}
