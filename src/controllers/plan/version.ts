import { getModuleVersionLabelName, getWorkerPodVersionLabelName } from '../../api/labels.ts'
import type { Module, ModuleLoader } from '../../api/module.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Answer } from './answered.ts'
import { answerUpgrade } from './forbidden.ts'
import type { ObservedCandidate } from './observed.ts'

const labelOf = ({ metadata }: Module): string => getWorkerPodVersionLabelName(metadata.namespace, metadata.name)

/** What an administrator has to do so that the node gets the Module's version. */
function adviseVersion({ metadata }: Module, version: string, node: NodeView): string {
  const label = getModuleVersionLabelName(metadata.namespace, metadata.name)
  return node.labels[label] === version
    ? 'it is about to get it'
    : `set the node's label ${label}=${version} to load it`
}

/** Without the label that allows worker pods, a Module with a version is not for the node. */
export function answerVersionLabel(
  observed: ObservedCandidate & { module: Module },
  loader: ModuleLoader,
  node: NodeView,
): Answer | undefined {
  const { module } = observed
  const wanted = loader.container.version ?? ''
  const label = labelOf(module)
  if (wanted === '' || (node.labels[label] ?? '') !== '') return undefined
  const { namespace, name } = module.metadata
  // On the way to another version the label is away for a moment.
  const isUpgrade = (node.labels[getModuleVersionLabelName(namespace, name)] ?? '') !== ''
  const kept = isUpgrade ? answerUpgrade(observed, node) : undefined
  if (kept) return kept
  const message = `the node has no label ${label} for version ${wanted}; ${adviseVersion(module, wanted, node)}`
  return { kind: 'release', reason: 'VersionLabelMissing', message }
}

/** Another version than the node is to have changes nothing there. */
export function answerVersion(module: Module, loader: ModuleLoader, node: NodeView): Answer | undefined {
  const wanted = loader.container.version ?? ''
  const label = labelOf(module)
  const present = node.labels[label] ?? ''
  if (wanted === '' || present === wanted) return undefined
  const what = `the node's label ${label} is ${present}, the Module's version is ${wanted}`
  return { kind: 'keep', reason: 'VersionDiffers', message: `${what}; ${adviseVersion(module, wanted, node)}` }
}
