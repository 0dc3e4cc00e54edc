import { getDevicePluginReadyLabel, getKernelModuleReadyNodeLabel } from '../../api/labels.ts'
import type { NodeModulesConfig } from '../../api/node-modules-config.ts'

/** How far a node is with the demo's Module. */
export type NodePhase = 'untouched' | 'pending' | 'loaded' | 'device plugin ready' | 'unloading' | 'failing'

/** What the phase follows from. */
export interface NodeFacts {
  labels: Readonly<Record<string, string>>
  config: NodeModulesConfig | undefined
}

interface ModuleKey {
  namespace: string
  name: string
}

function tellWanted(labels: NodeFacts['labels'], { namespace, name }: ModuleKey, failing: boolean): NodePhase {
  const ready = labels[getKernelModuleReadyNodeLabel(namespace, name)] !== undefined
  if (!ready) return failing ? 'failing' : 'pending'
  return labels[getDevicePluginReadyLabel(namespace, name)] === undefined ? 'loaded' : 'device plugin ready'
}

/** Something keeps the worker from its end; waiting for the device plugin to leave is no failure. */
function isFailing({ config }: NodeFacts, isIt: (item: ModuleKey) => boolean): boolean {
  const workers = config?.status?.workers ?? []
  return workers.some((worker) => isIt(worker) && worker.reason !== 'DevicePluginStillRunning')
}

/** Tells how far a node is, from its labels and its NodeModulesConfig, as anybody with kubectl could. */
export function tellPhase(facts: NodeFacts, key: ModuleKey): NodePhase {
  const { labels, config } = facts
  const isIt = (item: ModuleKey): boolean => item.namespace === key.namespace && item.name === key.name
  const failing = isFailing(facts, isIt)
  if (config?.spec?.modules?.some(isIt)) return tellWanted(labels, key, failing)
  if (failing) return 'failing'
  return config?.status?.modules?.some(isIt) ? 'unloading' : 'untouched'
}
