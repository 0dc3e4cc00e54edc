import { parseUnloadPolicy } from '../../api/annotations.ts'
import { moduleFinalizer } from '../../api/finalizers.ts'
import { getModuleVersionLabelName, hasReadyLabel, isNameTooLong, mostNameCharacters } from '../../api/labels.ts'
import type { Module, ModuleLoader } from '../../api/module.ts'
import { assertNever } from '../../errors/error.ts'
import type { Reason, ReleaseReason } from '../../errors/reason.ts'
import type { ResolvedKernel } from '../../kernel/resolve.ts'
import type { MappingAnswer } from '../cluster/answer-mapping.ts'
import { nameImage, standImage } from '../cluster/image-standing.ts'
import { findInKernel } from '../cluster/module-on-node.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { findUntoleratedTaint, isAwayTaint, internalTolerations } from '../cluster/toleration.ts'
import { describeVanished } from '../cluster/vanished.ts'
import type { Answer } from './answered.ts'
import { answerClaim } from './claim.ts'
import { answerForbidden } from './forbidden.ts'
import { buildItem, toEntry } from './item.ts'
import type { ImageFact, ObservedCandidate, ObservedModule } from './observed.ts'
import { answerVersion, answerVersionLabel } from './version.ts'

const keep = (reason: Reason, message: string): Answer => ({ kind: 'keep', reason, message })
const release = (reason: ReleaseReason, message: string): Answer => ({ kind: 'release', reason, message })

/** The node's first taint that keeps the Module off, in words. */
function describeTaint({ spec }: Module, node: NodeView): string | undefined {
  const taint = findUntoleratedTaint(node, [...(spec?.tolerations ?? []), ...internalTolerations])
  if (taint === undefined) return undefined
  return `the node has the taint ${taint.key}:${taint.effect}, which the Module does not tolerate`
}

/** Under OnTaint a taint releases; those of a node that does not answer go as soon as it does, before anything could. */
function describeReleasingTaint(module: Module, node: NodeView): string | undefined {
  if (parseUnloadPolicy(module.metadata.annotations) !== 'OnTaint') return undefined
  return describeTaint(module, { ...node, taints: node.taints.filter((taint) => !isAwayTaint(taint)) })
}

/** The closed list of what releases a Module. */
function answerRelease(module: Module, node: NodeView, mapping: MappingAnswer): Answer | undefined {
  if (module.metadata.deletionTimestamp !== undefined) return release('ModuleDeleted', 'the Module is being deleted')
  if (!matchesSelector(node.labels, module.spec?.selector ?? {}))
    return release('SelectorMismatch', "the node's labels do not match spec.selector")
  const taint = describeReleasingTaint(module, node)
  if (taint !== undefined) return release('NodeTainted', `${taint}, and its unload policy is OnTaint`)
  // A node that has only just come does not say its kernel yet.
  if (mapping.kind === 'none' && node.kernelVersion !== '') {
    const what = `no kernel mapping matches kernel ${node.kernelVersion}`
    return release('NoKernelMapping', `${what}; add one to spec.moduleLoader.container.kernelMappings`)
  }
  return undefined
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

/**
 * By this label an administrator consents: an upgrade ends on a cordoned node, too, so that it can be uncordoned. Not so under
 * the policy OnTaint: there the cordon releases before anybody asks.
 */
function isAskedFor({ metadata, spec }: Module, node: NodeView): boolean {
  const version = spec?.moduleLoader?.container.version ?? ''
  return version !== '' && node.labels[getModuleVersionLabelName(metadata.namespace, metadata.name)] === version
}

/** The webhook refuses such a name. Without it, no write that names the Module would be taken, nor what else the write is about. */
function answerName({ metadata }: Module): Answer | undefined {
  if (!isNameTooLong(metadata)) return undefined
  const what = `namespace and name of the Module together have ${metadata.namespace.length + metadata.name.length} characters`
  const message = `${what}, and labels have room for ${mostNameCharacters}; create it under a shorter name`
  return keep('NameTooLong', message)
}

/** Before anything comes onto a node: the Module cannot leave unnoticed, and the node takes what it does not have yet. */
function answerNewcomer(module: Module, node: NodeView, isInKernel: boolean): Answer | undefined {
  const named = answerName(module)
  if (named) return named
  if (!module.metadata?.finalizers?.includes(moduleFinalizer))
    return keep('FinalizerMissing', 'the Module does not carry its finalizer yet')
  // It is no newcomer: it is loaded, and only the NodeModulesConfig that said so was deleted by hand, or its unload has not happened.
  if (isInKernel || hasReadyLabel(node.labels, module.metadata) || isAskedFor(module, node)) return undefined
  const taint = describeTaint(module, node)
  return taint === undefined ? undefined : keep('NodeNotSchedulable', taint)
}

/** A Module that left without a deletion being seen (an etcd restored, a cache that errs) takes nothing with it. */
function answerVanished({ namespace, name }: ObservedCandidate): Answer {
  return keep('ModuleVanished', describeVanished({ namespace, name }))
}

/** What comes, or stays, of a Module that nothing releases. */
function answerSelected(
  observed: ObservedCandidate & { module: Module },
  loader: ModuleLoader,
  node: NodeView,
): Answer {
  const { module, mapping, image, entry } = observed
  const isInKernel = findInKernel(observed, node) !== undefined
  const present = entry !== undefined || isInKernel
  const newcomer = entry === undefined ? answerNewcomer(module, node, isInKernel) : undefined
  const held = newcomer ?? answerVersion(module, loader, node)
  if (held) return held
  if (mapping.kind === 'none') return keep('NodeNotReady', 'the node has not said yet which kernel it runs')
  if (mapping.kind === 'invalid') return keep('MappingInvalid', mapping.message)
  const { resolved } = mapping
  const waiting = answerImage(image, resolved, present)
  if (waiting) return waiting
  const item = buildItem(module, loader, resolved, image)
  return answerForbidden(observed, node, item) ?? { kind: 'want', item }
}

/** What was to go, and is to stay after all, is named again as it was loaded. */
function keepWhatIsLoaded(answer: Answer, observed: ObservedCandidate, node: NodeView): Answer {
  if (answer.kind !== 'keep' || answer.item || observed.entry || answer.reason === 'FinalizerMissing') return answer
  const loaded = findInKernel(observed, node)
  return loaded ? { ...answer, item: toEntry(loaded) } : answer
}

/** The answer as if the Module had the node's kernel for itself. */
function answerAlone(observed: ObservedCandidate, node: NodeView): Answer {
  const { module, mapping } = observed
  if (module === undefined) return answerVanished(observed)
  const loader = module.spec?.moduleLoader
  if (loader === undefined) return release('ModuleLoaderRemoved', 'the Module has no spec.moduleLoader')
  const released = answerRelease(module, node, mapping) ?? answerVersionLabel({ ...observed, module }, loader, node)
  return released ?? keepWhatIsLoaded(answerSelected({ ...observed, module }, loader, node), observed, node)
}

/**
 * Answers for one Module on one node: a pure function. Only one that the node's plan names already, or that is in its
 * kernel, is followed on a tainted node; only one at a time comes for each kernel module.
 */
export function answerModule(observed: ObservedModule, node: NodeView): Answer {
  const answer = answerAlone(observed, node)
  if (answer.kind !== 'want') return answer
  const claim = answerClaim(observed, node, answer.item, (rival) => answerAlone(rival, node))
  return claim ? keepWhatIsLoaded(claim, observed, node) : answer
}
