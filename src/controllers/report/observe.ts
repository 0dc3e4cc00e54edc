import type { DaemonSet } from 'kubernetes-types/apps/v1.js'
import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { getModuleInUseLabel, getSchedulePodVersionLabelName } from '../../api/labels.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { parseKey } from '../../kube/object.ts'
import { type Caches, configsByModule, daemonSetsByModule, podsByModule } from '../cluster/caches.ts'
import { getImagesConfig } from '../cluster/images-config.ts'
import type { Claims } from '../cluster/claims.ts'
import { defined } from '../cluster/defined.ts'
import type { LostConfigs } from '../cluster/lost-configs.ts'
import { listDeviceClasses } from '../cluster/device-class.ts'
import { findDaemonSetRefusal, type WorkloadRefusals } from '../cluster/refusals.ts'
import { describeRefusedDaemonSet, findDraConcerns, type PluginConcern } from '../cluster/plugin-concerns.ts'
import { findOnNode, isLoadedAsWanted } from '../cluster/module-on-node.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { pluginOf, pluginRoles, roleOfDaemonSet, roleOfPod } from '../cluster/plugin-role.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import { isPluginTarget } from '../cluster/plugin-target.ts'
import { findUntoleratedTaint, internalTolerations, isOutOfDaemonSets } from '../cluster/toleration.ts'
import type { Wait } from '../../runtime/reconciler.ts'
import { answerModule } from '../plan/answer.ts'
import { observeModule } from '../plan/observe.ts'
import type { ObservedModule } from '../plan/observed.ts'
import { decideModule as decideUpgrade } from '../upgrade/decide-module.ts'
import { observeModule as observeUpgrade } from '../upgrade/observe.ts'
import { classifyNode } from './classify.ts'
import { describeUnready } from './plugin-words.ts'
import type { ObservedEmptyNamespace, ObservedReport, PluginCounts, ReportedNode } from './observed.ts'

/** What `report` reads from. */
export interface ReportSources {
  caches: Caches
  resolver: MappingResolver
  /** When each Module's status was last written (epoch), by `namespace/name`. */
  lastWrites: ReadonlyMap<string, number>
  claims: Pick<Claims, 'has'>
  lost: Pick<LostConfigs, 'names'>
  refusals: WorkloadRefusals
}

interface Located {
  node: NodeView
  config: NodeModulesConfig | undefined
}

/** A node that is gone keeps its NodeModulesConfig for a moment: it counts until that is collected. */
function missingNode(config: NodeModulesConfig): NodeView {
  const name = config.metadata.name
  return {
    name,
    uid: '',
    labels: {},
    taints: [],
    kernelVersion: '',
    bootId: '',
    architecture: '',
    ready: false,
    unschedulable: false,
  }
}

function locateNodes(module: Module, key: string, caches: Caches): Located[] {
  const configs = new Map(
    caches.nodeModulesConfigs.byIndex(configsByModule, key).map((config) => [config.metadata.name, config]),
  )
  const selector = module.spec?.selector ?? {}
  const nodes = caches.nodes.list().filter((node) => configs.has(node.name) || matchesSelector(node.labels, selector))
  const located = nodes.map((node) => ({
    node,
    // Also one that does not name the Module: another one may have there what it asks for.
    config: caches.nodeModulesConfigs.get({ name: node.name }),
  }))
  const known = new Set(nodes.map(({ name }) => name))
  const orphans = [...configs.values()].filter((config) => !known.has(config.metadata.name))
  return [...located, ...orphans.map((config) => ({ node: missingNode(config), config }))]
}

function readWanted({ mapping }: ObservedModule): ReportedNode['wanted'] {
  if (mapping.kind !== 'resolved') return undefined
  const { containerImage, kernelVersion } = mapping.resolved
  return { image: containerImage, kernelVersion }
}

/** What an ordered upgrade of the node waits for; undefined where none is under way. */
function findUpgradeWait({ metadata, spec }: Module, node: NodeView, caches: Caches): Wait | undefined {
  if ((spec?.moduleLoader?.container.version ?? '') === '') return undefined
  return decideUpgrade(observeUpgrade(metadata, node, caches)).wait
}

function describeNode({ node, config }: Located, module: Module, sources: ReportSources): ReportedNode {
  const { namespace, name } = module.metadata
  const found = findOnNode(config, { namespace, name })
  const { entry, loaded } = found
  const observed = observeModule(`${namespace}/${name}`, { node, config }, sources)
  const answer = answerModule(observed, node)
  const wanted = readWanted(observed)
  const wait = findUpgradeWait(module, node, sources.caches)
  const available = isLoadedAsWanted(found, node)
  const inUseLabel = getModuleInUseLabel(namespace, name)
  return {
    name: node.name,
    standing: classifyNode({ node, ...defined({ config, image: wanted?.image, wait }), answer }, { namespace, name }),
    ...defined({ wanted }),
    targeted: isTargeted(node, module, entry !== undefined),
    configured: entry !== undefined,
    available,
    pluginExpected: available && isPluginExpected(node, module),
    inUse: entry !== undefined || loaded !== undefined || config?.metadata.labels?.[inUseLabel] !== undefined,
  }
}

function isTargeted(node: NodeView, { spec }: Module, present: boolean): boolean {
  if (!matchesSelector(node.labels, spec?.selector ?? {})) return false
  return present || findUntoleratedTaint(node, [...(spec?.tolerations ?? []), ...internalTolerations]) === undefined
}

const sum = (numbers: readonly (number | undefined)[]): number =>
  numbers.reduce<number>((total, each) => total + (each ?? 0), 0)

const isRolledOut = ({ metadata, status }: DaemonSet): boolean =>
  (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0)

function countPlugin(module: Module, nodes: readonly ReportedNode[], caches: Caches): PluginCounts {
  const { namespace, name } = module.metadata
  const role = module.spec?.dra ? 'dra' : 'device-plugin'
  const daemonSets = caches.daemonSets
    .byIndex(daemonSetsByModule, `${namespace}/${name}`)
    .filter((daemonSet) => roleOfDaemonSet(daemonSet) === role)
  const pods = caches.pods.byIndex(podsByModule, `${namespace}/${name}`).filter(isPluginPod)
  const serving = pods.filter((pod) => pod.ready && !pod.deleting && roleOfPod(pod) === role)
  const scheduled = sum(daemonSets.map(({ status }) => status?.desiredNumberScheduled))
  return {
    targeted: caches.nodes.list().filter((node) => isPluginTarget(node, module)).length,
    desired: Math.max(scheduled, nodes.filter(({ pluginExpected }) => pluginExpected).length),
    // A DaemonSet does not count a pod that stays on a node which was tainted later.
    available: Math.max(sum(daemonSets.map(({ status }) => status?.numberAvailable)), serving.length),
    rolledOut: daemonSets.length > 0 && daemonSets.every(isRolledOut),
    ...defined({ words: describeUnready(role, pods, daemonSets) }),
  }
}

/** With ordered upgrade a pod comes only to where the version's label lets it. */
function isPluginExpected(node: NodeView, module: Module): boolean {
  const version = module.spec?.moduleLoader?.container.version ?? ''
  const { namespace, name } = module.metadata
  if (version !== '' && node.labels[getSchedulePodVersionLabelName(namespace, name)] !== version) return false
  return isPluginTarget(node, module) && !isOutOfDaemonSets(node, module.spec?.tolerations ?? [])
}

function observeDra(module: Module, key: string, { caches, refusals }: ReportSources): PluginConcern[] {
  if (module.spec?.dra === undefined) return []
  const { deviceClasses } = caches
  const classes = listDeviceClasses(module, {
    find: (name) => deviceClasses.get({ name }),
    findRefusal: (name) => refusals.deviceClasses.get(key, name),
  })
  return findDraConcerns(deviceClasses.presence, classes)
}

function observeRefused(module: Module, { refusals }: ReportSources): PluginConcern[] {
  return pluginRoles.flatMap((role) => {
    const refusal = pluginOf(module, role) && findDaemonSetRefusal(module.metadata, role, refusals.daemonSets)
    return refusal ? [describeRefusedDaemonSet(role, refusal)] : []
  })
}

function observeNamespace(namespace: string, caches: Caches): ObservedEmptyNamespace | undefined {
  const view = caches.namespaces.get({ name: namespace })
  const empty = caches.modules.list().every(({ metadata }) => metadata.namespace !== namespace)
  return view?.containsModules && empty ? { emptyNamespace: view } : undefined
}

/** Reads a Module and all nodes that have to do with it. The key of a namespace without Modules is `namespace/`. */
export function observe(key: string, sources: ReportSources): ObservedReport | ObservedEmptyNamespace | undefined {
  const { caches, lastWrites, claims, lost } = sources
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  if (module === undefined) return observeNamespace(namespace, caches)
  const located =
    module.spec?.moduleLoader || caches.nodeModulesConfigs.byIndex(configsByModule, key).length > 0
      ? locateNodes(module, key, caches)
      : []
  const images = getImagesConfig({ namespace, name }, caches)
  const view = caches.namespaces.get({ name: namespace })
  const nodes = located.map((each) => describeNode(each, module, sources))
  return {
    module,
    nodes,
    ...(images ? { images } : {}),
    plugin: countPlugin(module, nodes, caches),
    concerns: [...observeRefused(module, sources), ...observeDra(module, key, sources)],
    // The plan is about to write down again what a NodeModulesConfig said that somebody deleted.
    claimed: claims.has(key) || lost.names(key),
    ...(view ? { namespace: view } : {}),
    lastWriteMs: lastWrites.get(key) ?? 0,
  }
}
