import {
  getModuleVersionLabelName,
  getSchedulePodVersionLabelName,
  getWorkerPodVersionLabelName,
  hasReadyLabel,
  isNameTooLong,
  type ModuleName,
  parseModuleVersionLabelName,
  parseSchedulePodVersionLabelName,
  parseWorkerPodVersionLabelName,
} from '../../api/labels.ts'
import { parseUnloadPolicy } from '../../api/annotations.ts'
import type { Module } from '../../api/module.ts'
import type { NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import { type Caches, moduleKeyOfPod, podsByNode } from '../cluster/caches.ts'
import { defined } from '../cluster/defined.ts'
import { findOnNode } from '../cluster/module-on-node.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { describePluginPods } from '../cluster/plugin-words.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import type { Claim, ObservedModule, ObservedUpgrade, VersionLabels } from './observed.ts'

/** The Modules that the version labels of a node name, each once. */
export function listVersionedModules(node: NodeView): ModuleName[] {
  const named = new Map<string, ModuleName>()
  for (const key of Object.keys(node.labels)) {
    const module =
      parseModuleVersionLabelName(key) ?? parseWorkerPodVersionLabelName(key) ?? parseSchedulePodVersionLabelName(key)
    if (module) named.set(`${module.namespace}/${module.name}`, module)
  }
  return [...named.values()]
}

function isForNode({ metadata, spec }: Module, node: NodeView): boolean {
  // Labels of a name that is too long would not be taken, nor those of others in the same write.
  if (metadata.deletionTimestamp !== undefined || isNameTooLong(metadata)) return false
  return matchesSelector(node.labels, spec?.selector ?? {})
}

function judgeClaim(module: Module | undefined, node: NodeView): Claim {
  const loader = module?.spec?.moduleLoader
  if (module?.spec === undefined || loader === undefined) return 'none'
  if (!isForNode(module, node)) return 'none'
  return (loader.container.version ?? '') === '' ? 'unordered' : 'ordered'
}

function readLabels({ labels }: NodeView, { namespace, name }: ModuleName): VersionLabels {
  return {
    module: labels[getModuleVersionLabelName(namespace, name)] ?? '',
    worker: labels[getWorkerPodVersionLabelName(namespace, name)] ?? '',
    schedule: labels[getSchedulePodVersionLabelName(namespace, name)] ?? '',
  }
}

function findPinned(
  loaded: NodeModuleStatusItem | undefined,
  module: Module | undefined,
  { bootId }: NodeView,
): string | undefined {
  if (loaded === undefined || bootId === '' || loaded.bootId !== bootId) return undefined
  return parseUnloadPolicy(module?.metadata.annotations) === 'Never' ? (loaded.version ?? '') : undefined
}

/** Reads what an ordered upgrade of one Module on one node depends on. */
export function observeModule({ namespace, name }: ModuleName, node: NodeView, caches: Caches): ObservedModule {
  const module = caches.modules.get({ namespace, name })
  const { entry, loaded } = findOnNode(caches.nodeModulesConfigs.get({ name: node.name }), { namespace, name })
  const needsModule = caches.pods
    .byIndex(podsByNode, node.name)
    .filter((pod) => isPluginPod(pod) && pod.needsModule && moduleKeyOfPod(pod) === `${namespace}/${name}`)
  return {
    namespace,
    name,
    claim: judgeClaim(module, node),
    version: module?.spec?.moduleLoader?.container.version ?? '',
    labels: readLabels(node, { namespace, name }),
    ...defined({
      planned: entry && (entry.version ?? ''),
      loaded: loaded && (loaded.version ?? ''),
      pinned: findPinned(loaded, module, node),
    }),
    ready: hasReadyLabel(node.labels, { namespace, name }),
    pluginPods: needsModule.length,
    pluginWords: describePluginPods(needsModule, node),
  }
}

/** Reads the ordered upgrades of one node; undefined where no label asks for one. */
export function observe(nodeName: string, caches: Caches): ObservedUpgrade | undefined {
  const node = caches.nodes.get({ name: nodeName })
  const named = node === undefined ? [] : listVersionedModules(node)
  if (node === undefined || named.length === 0) return undefined
  return { node, modules: named.map((module) => observeModule(module, node, caches)) }
}
