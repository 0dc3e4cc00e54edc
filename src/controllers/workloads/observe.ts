import { getDevicePluginReadyLabel, getDevicePluginTargetLabel, getDraReadyLabel } from '../../api/labels.ts'
import type { Module } from '../../api/module.ts'
import { parseKey } from '../../kube/object.ts'
import { type Caches, daemonSetsByModule, deviceClassesByModule, podsByModule } from '../cluster/caches.ts'
import { defined } from '../cluster/defined.ts'
import { listDeviceClasses } from '../cluster/device-class.ts'
import { findDaemonSetRefusal, type WorkloadRefusals } from '../cluster/refusals.ts'
import { matchesSelector, type NodeView } from '../cluster/node-view.ts'
import { type PluginRole, roleOfDaemonSet } from '../cluster/plugin-role.ts'
import { isPluginPod } from '../cluster/pod-view.ts'
import type { ObservedWorkloads } from './observed.ts'

/** What `workloads` reads from. */
export interface WorkloadsSources {
  caches: Caches
  refusals: WorkloadRefusals
}

function observeNodes(key: string, module: Module | undefined, { nodes }: Caches): NodeView[] {
  const { namespace = '', name } = parseKey(key)
  const labels = [
    getDevicePluginTargetLabel(namespace, name),
    getDevicePluginReadyLabel(namespace, name),
    getDraReadyLabel(namespace, name),
  ]
  const selector = module?.spec?.selector
  return nodes
    .list()
    .filter(
      (node) =>
        labels.some((label) => node.labels[label] !== undefined) ||
        (selector !== undefined && matchesSelector(node.labels, selector)),
    )
}

function observeDaemonSets(key: string, { daemonSets }: Caches): ObservedWorkloads['daemonSets'] {
  const found = [...daemonSets.byIndex(daemonSetsByModule, key)].sort((left, right) =>
    String(left.metadata?.creationTimestamp) < String(right.metadata?.creationTimestamp) ? -1 : 1,
  )
  const ofRole = (role: PluginRole) => found.filter((daemonSet) => roleOfDaemonSet(daemonSet) === role)
  return { 'device-plugin': ofRole('device-plugin'), dra: ofRole('dra') }
}

function observeRefused(module: Module | undefined, { daemonSets }: WorkloadRefusals): ObservedWorkloads['refused'] {
  if (module === undefined) return {}
  const find = (role: PluginRole) => findDaemonSetRefusal(module.metadata, role, daemonSets)
  return defined({ 'device-plugin': find('device-plugin'), dra: find('dra') })
}

function observeClasses(
  key: string,
  module: Module | undefined,
  { caches: { deviceClasses }, refusals }: WorkloadsSources,
): Pick<ObservedWorkloads, 'listedClasses' | 'unlistedClasses'> {
  const own = deviceClasses.byIndex(deviceClassesByModule, key)
  if (module === undefined || module.metadata.deletionTimestamp !== undefined)
    return { listedClasses: [], unlistedClasses: own }
  const listedClasses = listDeviceClasses(module, {
    find: (name) => deviceClasses.get({ name }),
    findRefusal: (name) => refusals.deviceClasses.get(key, name),
  })
  const listed = new Set(listedClasses.map(({ name }) => name))
  return { listedClasses, unlistedClasses: own.filter(({ metadata }) => !listed.has(metadata?.name ?? '')) }
}

/** Reads a Module's device plugin and DRA driver. */
export function observe(key: string, sources: WorkloadsSources): ObservedWorkloads {
  const { caches } = sources
  const { namespace = '', name } = parseKey(key)
  const module = caches.modules.get({ namespace, name })
  const pods = caches.pods.byIndex(podsByModule, key).filter(isPluginPod)
  return {
    namespace,
    name,
    ...(module ? { module } : {}),
    daemonSets: observeDaemonSets(key, caches),
    refused: observeRefused(module, sources.refusals),
    pods: pods.map((pod) => ({ pod, nodeReady: caches.nodes.get({ name: pod.nodeName })?.ready === true })),
    nodes: observeNodes(key, module, caches),
    dra: caches.deviceClasses.presence,
    ...observeClasses(key, module, sources),
  }
}
