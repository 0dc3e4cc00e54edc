import { sameKernelState } from '../../api/module-config.ts'
import type { ModuleConfig, NodeModuleStatusItem } from '../../api/node-modules-config.ts'
import { cutTrailingPlus } from '../../kernel/kernel-version.ts'
import { isLoadedAsWanted } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { intentOf, type WorkerIntent } from './worker-intent.ts'

/** What should happen to one Module on one node, whatever pods run at present. */
export type Goal =
  | { kind: 'converged' }
  /** The plan has not caught up with the node's kernel. */
  | { kind: 'awaitPlan' }
  /** The status entry is of an earlier boot: the module is not in the kernel any more. */
  | { kind: 'forget' }
  | { kind: 'run'; intent: WorkerIntent }

/** A status entry without configuration (possible upstream) says nothing that could be unloaded. */
export type LoadedItem = NodeModuleStatusItem & { config: ModuleConfig }

/** The status entry, if it says what is loaded. */
export const loadedItem = (module: ObservedModule): LoadedItem | undefined =>
  module.loaded?.config === undefined ? undefined : { ...module.loaded, config: module.loaded.config }

/** True when the module may be in the running kernel: loaded in this boot, or in one that is not known. */
const mayBeInKernel = (loaded: LoadedItem, node: NodeView): boolean =>
  (loaded.bootId ?? '') === '' || loaded.bootId === node.bootId

/** In a namespace that is going away no pod can be made: what must go is unloaded from the operator's. */
function unloadGoal(loaded: LoadedItem, module: ObservedModule, { operatorNamespace }: ObservedNode): Goal {
  const podNamespace = module.namespaceTerminating ? operatorNamespace : module.namespace
  return { kind: 'run', intent: { ...intentOf('Unload', loaded), podNamespace } }
}

function chooseWithoutEntry(module: ObservedModule, observed: ObservedNode): Goal {
  const loaded = loadedItem(module)
  if (loaded === undefined) return { kind: module.loaded === undefined ? 'converged' : 'forget' }
  return mayBeInKernel(loaded, observed.node) ? unloadGoal(loaded, module, observed) : { kind: 'forget' }
}

/** Chooses the goal from the plan, the status and the node. */
export function chooseGoal(module: ObservedModule, observed: ObservedNode): Goal {
  const { node } = observed
  const { entry } = module
  if (entry === undefined) return chooseWithoutEntry(module, observed)
  if (cutTrailingPlus(entry.config.kernelVersion) !== cutTrailingPlus(node.kernelVersion)) return { kind: 'awaitPlan' }
  if (isLoadedAsWanted(module, node)) return { kind: 'converged' }
  const loaded = loadedItem(module)
  // Two versions of one module cannot be loaded together: the old one goes first.
  if (loaded && mayBeInKernel(loaded, node) && !sameKernelState(entry.config, loaded.config))
    return unloadGoal(loaded, module, observed)
  return { kind: 'run', intent: intentOf('Load', entry) }
}
