import type { ModuleImagesConfig } from '../../api/module-images-config.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { keyOf, parseKey } from '../../kube/object.ts'
import { answerMapping } from '../cluster/answer-mapping.ts'
import { type Caches, kernelModulesOf, moduleKeyOfPod, modulesByKernelModule, podsByNode } from '../cluster/caches.ts'
import { getImagesConfig } from '../cluster/images-config.ts'
import { defined } from '../cluster/defined.ts'
import type { DepartedWorkers } from '../cluster/departed-workers.ts'
import { findHolders } from '../cluster/kernel-module-holders.ts'
import type { LostConfigs } from '../cluster/lost-configs.ts'
import { findOnNode } from '../cluster/module-on-node.ts'
import { modulesOfConfig } from '../cluster/modules-of-config.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import type { PodView } from '../cluster/pod-view.ts'
import type { BusyModule, ImageFact, ObservedCandidate, ObservedModule, ObservedPlan } from './observed.ts'

/** What the Module's ModuleImagesConfig says of one image; where an upstream operator wrote it, in upstream's words. */
export function findImageFact(config: ModuleImagesConfig | undefined, image: string): ImageFact {
  const { images = [], imagesStates = [] } = config?.status ?? {}
  const status = images.find((each) => each.image === image)
  if (status)
    return {
      phase: status.phase,
      ...defined({ digest: status.digest, reason: status.reason, message: status.message }),
    }
  const exists = imagesStates.some((state) => state.image === image && state.status === 'Exists')
  return { phase: exists ? 'Exists' : 'Unknown' }
}

/** A node and its NodeModulesConfig. */
export interface NodeAndConfig {
  node: NodeView
  config?: NodeModulesConfig | undefined
}

type ModuleSources = Pick<PlanSources, 'caches' | 'resolver'>

function observeCandidate(
  key: string,
  { node, config }: NodeAndConfig,
  { caches, resolver }: ModuleSources,
): ObservedCandidate {
  const { namespace = '', name } = parseKey(key)
  const { entry, loaded } = findOnNode(config, { namespace, name })
  const identity = { namespace, name, ...defined({ entry, loaded }) }
  const module = caches.modules.get({ namespace, name })
  if (module?.spec?.moduleLoader === undefined)
    return { ...identity, ...defined({ module }), mapping: { kind: 'none' }, image: { phase: 'Unknown' } }
  const mapping = answerMapping(resolver, module, node.kernelVersion)
  const images = getImagesConfig({ namespace, name }, caches)
  const image =
    mapping.kind === 'resolved' ? findImageFact(images, mapping.resolved.containerImage) : { phase: 'Unknown' as const }
  return { ...identity, module, mapping, image }
}

/**
 * Who asks for one of these kernel modules on the node, or for one that such a Module asks for, and so on; and the kernel
 * modules that are asked for so.
 */
function listAsking(names: readonly string[], node: NodeView, caches: Caches): [Set<string>, Set<string>] {
  const asking = new Set<string>()
  const contested = new Set(names)
  // A set goes on over what is added to it on the way.
  for (const name of contested)
    for (const module of caches.modules.byIndex(modulesByKernelModule, name)) {
      if (!matchesSelector(node.labels, module.spec?.selector ?? {})) continue
      asking.add(keyOf(module))
      for (const also of kernelModulesOf(module)) contested.add(also)
    }
  return [asking, contested]
}

/** Keys of the other Modules that ask for one of these kernel modules on the node, or have it there, and of their rivals. */
function listRivals(key: string, names: readonly string[], { node, config }: NodeAndConfig, caches: Caches): string[] {
  const [rivals, contested] = listAsking(names, node, caches)
  for (const name of contested) for (const holder of config ? findHolders(config, name) : []) rivals.add(holder)
  rivals.delete(key)
  return [...rivals].sort()
}

/** Reads one Module for one node, and its rivals there. */
export function observeModule(key: string, where: NodeAndConfig, sources: ModuleSources): ObservedModule {
  const candidate = observeCandidate(key, where, sources)
  const names = candidate.module ? kernelModulesOf(candidate.module) : []
  const rivals = listRivals(key, names, where, sources.caches)
  return { ...candidate, rivals: rivals.map((rival) => observeCandidate(rival, where, sources)) }
}

/** What `plan` reads from. */
export interface PlanSources {
  caches: Caches
  resolver: MappingResolver
  lost: LostConfigs
  departed: DepartedWorkers
  /** True for a worker pod that the operator made itself: nobody else's pod may hold a Module back. */
  isOwnWorker: (pod: PodView, node: NodeView) => boolean
}

function observeBusy(key: string, caches: Caches): BusyModule {
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  return { namespace, name, kernelModules: module ? kernelModulesOf(module) : [] }
}

/** What is known of a node: a lost NodeModulesConfig stands for one that is not there yet, or has no status yet. */
export function recallStatus(
  config: NodeModulesConfig | undefined,
  lost: NodeModulesConfig | undefined,
): NodeModulesConfig | undefined {
  if (lost === undefined || config === undefined) return config ?? lost
  return { ...config, status: { ...config.status, ...lost.status } }
}

/** Reads everything that decides what is to be in one node's kernel; undefined when there is no such Node. */
export function observe(nodeName: string, sources: PlanSources): ObservedPlan | undefined {
  const { caches, isOwnWorker } = sources
  const node = caches.nodes.get({ name: nodeName })
  if (node === undefined) return undefined
  const config = caches.nodeModulesConfigs.get({ name: nodeName })
  const lost = sources.lost.find(node)
  const known = recallStatus(config, lost)
  const keys = new Set(known ? modulesOfConfig(known) : [])
  for (const module of caches.modules.list())
    if (module.spec?.moduleLoader && matchesSelector(node.labels, module.spec.selector)) keys.add(keyOf(module))
  const pods = [...caches.pods.byIndex(podsByNode, nodeName), ...sources.departed.list(nodeName)]
  const workers = pods.filter((pod) => isOwnWorker(pod, node))
  return {
    node,
    modules: [...keys].sort().map((key) => observeModule(key, { node, config: known }, sources)),
    ...defined({ config, lost }),
    busy: new Map(workers.map(moduleKeyOfPod).map((key) => [key, observeBusy(key, caches)])),
  }
}
