import { sameKernelState } from '../../api/module-config.ts'
import { cutTrailingPlus } from '../../kernel/kernel-version.ts'
import { findInKernel, isLoadedAsWanted, type LoadedItem } from '../cluster/module-on-node.ts'
import { decideDeparture, type Departure, findHandOver, findIncoming, findNewerPlan } from './departure.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { findUnaware, tellSpared } from './spared.ts'
import { intentOf, type WorkerIntent } from './worker-intent.ts'

/** What should happen to one Module on one node, whatever pods run at present. */
export type Goal =
  | { kind: 'converged' }
  /** The plan has not caught up with the node's kernel. */
  | { kind: 'awaitPlan' }
  /** The status entry is of an earlier boot: the module is not in the kernel any more. */
  | { kind: 'forget' }
  | { kind: 'run'; intent: WorkerIntent }
  /** What is in the kernel stays there, and is the Module's no more. */
  | { kind: 'leave'; loaded: LoadedItem; why: string }
  | Extract<Departure, { kind: 'hold' }>

/** In a namespace that is going away no pod can be made: what must go is unloaded from the operator's. */
function unloadGoal(loaded: LoadedItem, module: ObservedModule, observed: ObservedNode): Goal {
  const departure = decideDeparture(module, observed)
  if (departure.kind === 'leave') return { ...departure, loaded }
  if (departure.kind === 'hold') return departure
  const incoming = findIncoming(module, loaded, observed)
  if (incoming) return incoming
  const { operatorNamespace } = observed
  const podNamespace = module.namespaceTerminating ? operatorNamespace : module.namespace
  return { kind: 'run', intent: tellSpared({ ...intentOf('Unload', loaded), podNamespace }, module, observed) }
}

function chooseWithoutEntry(module: ObservedModule, observed: ObservedNode): Goal {
  const loaded = findInKernel(module, observed.node)
  if (loaded === undefined) return { kind: module.loaded === undefined ? 'converged' : 'forget' }
  return unloadGoal(loaded, module, observed)
}

/** What perhaps was loaded, and is never unloaded, is no reason to wait for a reboot: the worker sees whether it is there. */
const isTriedUnheard = ({ policy }: ObservedModule, { bootId = '' }: LoadedItem): boolean =>
  policy === 'Never' && bootId === ''

/** Chooses the goal from the plan, the status and the node. */
export function chooseGoal(module: ObservedModule, observed: ObservedNode): Goal {
  const { node } = observed
  const { entry } = module
  if (entry === undefined) return chooseWithoutEntry(module, observed)
  if (cutTrailingPlus(entry.config.kernelVersion) !== cutTrailingPlus(node.kernelVersion)) return { kind: 'awaitPlan' }
  if (isLoadedAsWanted(module, node)) return { kind: 'converged' }
  const loaded = findInKernel(module, node)
  // Two versions of one module cannot be loaded together: the old one goes first.
  if (loaded && !sameKernelState(entry.config, loaded.config) && !isTriedUnheard(module, loaded))
    return unloadGoal(loaded, module, observed)
  const held = findNewerPlan(module) ?? findHandOver(module, observed) ?? findUnaware(module, observed)
  return held ?? { kind: 'run', intent: tellSpared(intentOf('Load', entry), module, observed) }
}
