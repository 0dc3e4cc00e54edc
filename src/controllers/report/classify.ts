import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModuleItem, NodeModulesConfig } from '../../api/node-modules-config.ts'
import { type Reason, reportReasons } from '../../errors/reason.ts'
import type { Defined } from '../cluster/defined.ts'
import { cutTrailingPlus } from '../../kernel/kernel-version.ts'
import { isMakingReason, makingFailures } from '../cluster/image-standing.ts'
import { findOnNode, isLoadedAsWanted, type ModuleKey, type ModuleOnNode } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import { nameFinalizers } from '../cluster/plugin-words.ts'
import type { Wait } from '../../runtime/reconciler.ts'
import type { Answer } from '../plan/answered.ts'

/** What a Module is on one node. */
export type NodeStanding =
  | { kind: 'loaded' }
  /** It is loaded, and Module and node do not ask for the same version: nothing is wrong, and one of the two has to change. */
  | { kind: 'outdated'; reason: Reason; message: string }
  /** Not for this node: nothing is expected of it. */
  | { kind: 'excluded'; reason: Reason; message: string }
  | { kind: 'progressing'; reason: Reason; message: string; since?: string }
  | { kind: 'failing'; reason: Reason; message: string; since?: string }

const failing: ReadonlySet<string> = new Set<string>([
  ...reportReasons,
  'WorkerPodRefused',
  'WorkerImageUnavailable',
  'ImageVolumeUnsupported',
  'WorkerLost',
  'ImageMissing',
  ...makingFailures,
  'ImageUnverified',
  'MappingInvalid',
  'NameTooLong',
  'ModuleClaimed',
])

const excluded: ReadonlySet<string> = new Set([
  'NodeNotSchedulable',
  'NodeTainted',
  'VersionDiffers',
  'VersionLabelMissing',
])

/** One node with everything that its standing follows from. */
export interface NodeFacts {
  node: NodeView
  config?: NodeModulesConfig
  answer: Answer
  /** What an ordered upgrade of the node waits for. */
  wait?: Wait
  /** The image that the Module asks for on the node; absent where no mapping says so. */
  image?: string
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

/** Somebody deletes the NodeModulesConfig: nothing comes or goes before it is gone and made again, as long as there is a node. */
function standDeleted(
  { entry, loaded }: Defined<ModuleOnNode>,
  { node, config, answer }: NodeFacts,
): NodeStanding | undefined {
  if (config?.metadata.deletionTimestamp === undefined || node.uid === '') return undefined
  if (!entry && !loaded && answer.kind !== 'want') return undefined
  const { name, finalizers = [] } = config.metadata
  const held = finalizers.length === 0 ? '' : `waits for who has the finalizer ${nameFinalizers(finalizers)}, and `
  return standBy('NodeModulesConfigPending', `NodeModulesConfig ${name} is being deleted, ${held}is made again then`)
}

function standInProgress(
  { entry, loaded }: Defined<ModuleOnNode>,
  { node, answer }: NodeFacts,
): NodeStanding | undefined {
  if (!entry && !loaded) return undefined
  if (node.uid === '') return standBy('NodeGone', `node ${node.name} is gone; its NodeModulesConfig goes with it`)
  if (!node.ready)
    return standBy('NodeNotReady', `node ${node.name} is not ready: its kubelet would not start a worker`)
  if (entry) return standBy('WorkerRunning', 'the module is being loaded')
  return answer.kind === 'release' ? standBy('WorkerRunning', 'the module is being unloaded') : undefined
}

/** The node was started with another kernel since the plan was made, and there is no plan for that one yet. */
const isForOtherKernel = ({ config }: NodeModuleItem, { kernelVersion }: NodeView): boolean =>
  cutTrailingPlus(config.kernelVersion) !== cutTrailingPlus(kernelVersion)

/** What stays while a newer wish cannot be met, or its image is being made, is not "loaded as wanted". */
function waitsForAnother(entry: NodeModuleItem | undefined, { answer, image }: NodeFacts): boolean {
  if (answer.kind !== 'keep') return false
  if (failing.has(answer.reason) || answer.reason === 'UnloadForbidden') return true
  return isMakingReason(answer.reason) && entry !== undefined && entry.config.containerImage !== image
}

/** The Module was changed since the plan was made: what is loaded is about to be replaced. */
const isOvertaken = (entry: NodeModuleItem | undefined, answer: Answer): boolean =>
  answer.kind === 'want' && entry !== undefined && !sameKernelState(entry.config, answer.item.config)

/** A module that is loaded as the plan has it, which may lag behind the Module, or its version. */
function standLoaded(entry: NodeModuleItem | undefined, { answer, wait }: NodeFacts): NodeStanding {
  if (wait && wait.reason !== 'VersionDiffers') return standBy(wait.reason, wait.message)
  if (isOvertaken(entry, answer)) return standByAnswer(answer)
  const said = wait ?? (answer.kind === 'keep' && answer.reason === 'VersionDiffers' ? answer : undefined)
  return said === undefined ? { kind: 'loaded' } : { kind: 'outdated', reason: said.reason, message: said.message }
}

/** Tells how a Module stands on one node. */
export function classifyNode(facts: NodeFacts, module: ModuleKey): NodeStanding {
  const { node, config, answer } = facts
  const found = findOnNode(config, module)
  const { entry, reported } = found
  if (reported) return standBy(reported.reason as Reason, reported.message ?? '', reported.since)
  if (waitsForAnother(entry, facts)) return standByAnswer(answer)
  if (isLoadedAsWanted(found, node)) return standLoaded(entry, facts)
  if (answer.kind === 'keep' && (!entry || isForOtherKernel(entry, node))) return standByAnswer(answer)
  return standDeleted(found, facts) ?? standInProgress(found, facts) ?? standByAnswer(answer)
}
