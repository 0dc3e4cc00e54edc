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

/** Tells how far a node is, from its labels and its NodeModulesConfig, as anybody with kubectl could. */
export function tellPhase({ labels, config }: NodeFacts, { namespace, name }: ModuleKey): NodePhase {
  const isIt = (item: ModuleKey): boolean => item.namespace === namespace && item.name === name
  const wanted = config?.spec?.modules?.some(isIt) === true
  const { modules = [], workers = [] } = config?.status ?? {}
  const ready = labels[getKernelModuleReadyNodeLabel(namespace, name)] !== undefined
  if (wanted && ready && labels[getDevicePluginReadyLabel(namespace, name)] !== undefined) return 'device plugin ready'
  if (wanted && ready) return 'loaded'
  if (workers.some((worker) => isIt(worker) && worker.reason !== 'DevicePluginStillRunning')) return 'failing'
  if (wanted) return 'pending'
  return modules.some(isIt) ? 'unloading' : 'untouched'
}
