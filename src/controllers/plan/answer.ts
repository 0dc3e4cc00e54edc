import type { Module, ModuleLoader } from '../../api/module.ts'
import { moduleFinalizer } from '../../api/finalizers.ts'
import { getModuleVersionLabelName, getWorkerPodVersionLabelName, hasReadyLabel } from '../../api/labels.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import { assertNever } from '../../errors/error.ts'
import type { Reason, ReleaseReason } from '../../errors/reason.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import type { MappingAnswer } from '../cluster/answer-mapping.ts'
import { nameImage, standImage } from '../cluster/image-standing.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { findUntoleratedTaint, internalTolerations } from '../cluster/toleration.ts'
import { describeVanished } from '../cluster/vanished.ts'
import { buildItem } from './item.ts'
import type { ImageFact, ObservedModule } from './observed.ts'

/** What the plan says of one Module on one node. */
export type Answer =
  /** This is to be in the kernel. */
  | { kind: 'want'; item: NodeModuleItem }
  /** Whatever is there stays; where nothing is, nothing comes. */
  | { kind: 'keep'; reason: Reason; message: string }
  /** It is to go. */
  | { kind: 'release'; reason: ReleaseReason; message: string }

const keep = (reason: Reason, message: string): Answer => ({ kind: 'keep', reason, message })
const release = (reason: ReleaseReason, message: string): Answer => ({ kind: 'release', reason, message })

const versionLabelOf = ({ metadata }: Module): string => getWorkerPodVersionLabelName(metadata.namespace, metadata.name)

/** What an administrator has to do so that the node gets the Module's version. */
function adviseVersion({ metadata }: Module, version: string, node: NodeView): string {
  const label = getModuleVersionLabelName(metadata.namespace, metadata.name)
  return node.labels[label] === version
    ? 'it is about to get it'
    : `set the node's label ${label}=${version} to load it`
}

function answerVersionLabel(module: Module, loader: ModuleLoader, node: NodeView): Answer | undefined {
  const wanted = loader.container.version ?? ''
  const label = versionLabelOf(module)
  if (wanted === '' || (node.labels[label] ?? '') !== '') return undefined
  const advice = adviseVersion(module, wanted, node)
  return release('VersionLabelMissing', `the node has no label ${label} for version ${wanted}; ${advice}`)
}

/** The closed list of what releases a Module. */
function answerRelease(module: Module, node: NodeView, mapping: MappingAnswer): Answer | undefined {
  if (module.metadata.deletionTimestamp !== undefined) return release('ModuleDeleted', 'the Module is being deleted')
  if (!matchesSelector(node.labels, module.spec?.selector ?? {}))
    return release('SelectorMismatch', "the node's labels do not match spec.selector")
  // A node that has only just come does not say its kernel yet.
  if (mapping.kind === 'none' && node.kernelVersion !== '') {
    const what = `no kernel mapping matches kernel ${node.kernelVersion}`
    return release('NoKernelMapping', `${what}; add one to spec.moduleLoader.container.kernelMappings`)
  }
  return undefined
}

function answerVersion(module: Module, loader: ModuleLoader, node: NodeView): Answer | undefined {
  const wanted = loader.container.version ?? ''
  const label = versionLabelOf(module)
  const present = node.labels[label] ?? ''
  if (wanted === '' || present === wanted) return undefined
  const what = `the node's label ${label} is ${present}, the Module's version is ${wanted}`
  return keep('VersionDiffers', `${what}; ${adviseVersion(module, wanted, node)}`)
}

/** What a registry answered: its workers would not fare better, unlike with a registry that only the operator cannot reach. */
const refused: ReadonlySet<string> = new Set(['RegistryUnauthorized', 'ImageInvalid'])

function answerUnverified({ reason = '', message = reason }: ImageFact, present: boolean): Answer | undefined {
  // A module that runs is not given up for an image that cannot be had; where none runs, the worker says so on the node.
  return present && refused.has(reason) ? keep('ImageUnverified', message) : undefined
}

/** Whatever becomes of an image, it releases nothing: what runs stays until the next image is there. */
function answerImage(image: ImageFact, resolved: ResolvedKernel, present: boolean): Answer | undefined {
  const standing = standImage(image, resolved)
  const name = resolved.containerImage
  const tell = (fallback: string): string => nameImage(name, image.message ?? fallback)
  switch (standing.kind) {
    case 'there':
      return undefined
    case 'unverified':
      return answerUnverified(image, present)
    case 'making':
      return keep(standing.reason, tell(`image ${name} does not exist yet and is being made`))
    case 'failing':
      return keep(standing.reason, tell(`image ${name} does not exist; push it, or correct containerImage`))
    case 'unknown':
      return keep('ImageUnknown', tell(`whether image ${name} exists is not known yet`))
    default:
      return assertNever(standing)
  }
}

/** By this label an administrator consents: an upgrade ends on a cordoned node, too, so that it can be uncordoned. */
function isAskedFor({ metadata, spec }: Module, node: NodeView): boolean {
  const version = spec?.moduleLoader?.container.version ?? ''
  return version !== '' && node.labels[getModuleVersionLabelName(metadata.namespace, metadata.name)] === version
}

function answerNewcomer(module: Module, node: NodeView): Answer | undefined {
  if (!module.metadata?.finalizers?.includes(moduleFinalizer))
    return keep('FinalizerMissing', 'the Module does not carry its finalizer yet')
  // It is no newcomer: it is loaded, and only the NodeModulesConfig that said so was deleted by hand.
  if (hasReadyLabel(node.labels, module.metadata) || isAskedFor(module, node)) return undefined
  const taint = findUntoleratedTaint(node, [...(module.spec?.tolerations ?? []), ...internalTolerations])
  if (taint === undefined) return undefined
  return keep(
    'NodeNotSchedulable',
    `the node has the taint ${taint.key}:${taint.effect}, which the Module does not tolerate`,
  )
}

/** A Module that left without a deletion being seen (an etcd restored, a cache that errs) takes nothing with it. */
function answerVanished({ namespace, name }: ObservedModule): Answer {
  return keep('ModuleVanished', describeVanished({ namespace, name }))
}

/** What comes, or stays, of a Module that nothing releases. */
function answerSelected(
  observed: ObservedModule & { module: Module },
  loader: ModuleLoader,
  node: NodeView,
  present: boolean,
): Answer {
  const { module, mapping, image } = observed
  const held = (present ? undefined : answerNewcomer(module, node)) ?? answerVersion(module, loader, node)
  if (held) return held
  if (mapping.kind === 'none') return keep('NodeNotReady', 'the node has not said yet which kernel it runs')
  if (mapping.kind === 'invalid') return keep('MappingInvalid', mapping.message)
  const { resolved } = mapping
  return answerImage(image, resolved, present) ?? { kind: 'want', item: buildItem(module, loader, resolved, image) }
}

/**
 * Answers for one Module on one node: a pure function. `present` says whether the node's plan names the Module already;
 * only then may a tainted node be followed.
 */
export function answerModule(observed: ObservedModule, node: NodeView, present: boolean): Answer {
  const { module, mapping } = observed
  if (module === undefined) return answerVanished(observed)
  const loader = module.spec?.moduleLoader
  if (loader === undefined) return release('ModuleLoaderRemoved', 'the Module has no spec.moduleLoader')
  const released = answerRelease(module, node, mapping) ?? answerVersionLabel(module, loader, node)
  return released ?? answerSelected({ ...observed, module }, loader, node, present)
}
