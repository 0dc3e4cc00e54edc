import type { Module } from '../../api/module.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'
import { getModuleInUseLabel } from '../../api/labels.ts'
import type { MappingResolver } from '../../kernel/resolver.ts'
import { parseKey } from '../../kube/object.ts'
import { type Caches, configsByModule, daemonSetsByModule } from '../cluster/caches.ts'
import { defined } from '../cluster/defined.ts'
import { findOnNode, isLoadedAsWanted } from '../cluster/module-on-node.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { findUntoleratedTaint, internalTolerations } from '../cluster/toleration.ts'
import { answerModule } from '../plan/answer.ts'
import { observeModule } from '../plan/observe.ts'
import { classifyNode } from './classify.ts'
import type { ObservedEmptyNamespace, ObservedReport, PluginCounts, ReportedNode } from './observed.ts'

/** What `report` reads from. */
export interface ReportSources {
  caches: Caches
  resolver: MappingResolver
  /** When each Module's status was last written (epoch), by `namespace/name`. */
  lastWrites: ReadonlyMap<string, number>
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
  const located = nodes.map((node) => ({ node, config: configs.get(node.name) }))
  const known = new Set(nodes.map(({ name }) => name))
  const orphans = [...configs.values()].filter((config) => !known.has(config.metadata.name))
  return [...located, ...orphans.map((config) => ({ node: missingNode(config), config }))]
}

function describeNode({ node, config }: Located, module: Module, sources: ReportSources): ReportedNode {
  const { namespace, name } = module.metadata
  const found = findOnNode(config, { namespace, name })
  const { entry, loaded } = found
  const observed = observeModule(`${namespace}/${name}`, node, sources.caches, sources.resolver)
  const answer = answerModule(observed, node, entry !== undefined)
  const inUseLabel = getModuleInUseLabel(namespace, name)
  return {
    name: node.name,
    standing: classifyNode({ node, ...defined({ config }), answer }, { namespace, name }),
    targeted: isTargeted(node, module, entry !== undefined),
    configured: entry !== undefined,
    available: isLoadedAsWanted(found, node),
    inUse: entry !== undefined || loaded !== undefined || config?.metadata.labels?.[inUseLabel] !== undefined,
  }
}

function isTargeted(node: NodeView, { spec }: Module, present: boolean): boolean {
  if (!matchesSelector(node.labels, spec?.selector ?? {})) return false
  return present || findUntoleratedTaint(node, [...(spec?.tolerations ?? []), ...internalTolerations]) === undefined
}

function countPlugin(key: string, caches: Caches): PluginCounts {
  const counts = { desired: 0, available: 0 }
  for (const { status } of caches.daemonSets.byIndex(daemonSetsByModule, key)) {
    counts.desired += status?.desiredNumberScheduled ?? 0
    counts.available += status?.numberAvailable ?? 0
  }
  return counts
}

function observeNamespace(namespace: string, caches: Caches): ObservedEmptyNamespace | undefined {
  const view = caches.namespaces.get({ name: namespace })
  const empty = caches.modules.list().every(({ metadata }) => metadata.namespace !== namespace)
  return view?.containsModules && empty ? { emptyNamespace: view } : undefined
}

/** Reads a Module and all nodes that have to do with it. The key of a namespace without Modules is `namespace/`. */
export function observe(key: string, sources: ReportSources): ObservedReport | ObservedEmptyNamespace | undefined {
  const { caches, lastWrites } = sources
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  if (module === undefined) return observeNamespace(namespace, caches)
  const located =
    module.spec?.moduleLoader || caches.nodeModulesConfigs.byIndex(configsByModule, key).length > 0
      ? locateNodes(module, key, caches)
      : []
  const images = caches.moduleImagesConfigs.get({ namespace, name })
  const view = caches.namespaces.get({ name: namespace })
  return {
    module,
    nodes: located.map((each) => describeNode(each, module, sources)),
    ...(images ? { images } : {}),
    plugin: countPlugin(key, caches),
    ...(view ? { namespace: view } : {}),
    lastWriteMs: lastWrites.get(key) ?? 0,
  }
}
