import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import { kernelModulesOf } from '../cluster/caches.ts'
import { listKernelModules } from '../cluster/kernel-modules.ts'
import { findInKernel } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Answer } from './answered.ts'
import type { ObservedCandidate, ObservedModule } from './observed.ts'

/** The kernel modules that a Module has on the node: by its plan, or in its kernel. */
function listHeld(observed: ObservedCandidate, node: NodeView): Set<string> {
  const items = [observed.entry, findInKernel(observed, node)]
  return new Set(items.flatMap((item) => (item ? listKernelModules(item.config.modprobe) : [])))
}

const identify = ({ namespace, name, module }: ObservedCandidate): string =>
  `${module?.metadata.creationTimestamp ?? ''} ${namespace}/${name}`

interface Claim {
  holder: ObservedCandidate
  kernelModule: string
}

/** Who has, or will have, a kernel module that the Module would be new to. */
function findHolder(
  observed: ObservedModule,
  names: readonly string[],
  node: NodeView,
  isWanted: (rival: ObservedCandidate) => boolean,
): Claim | undefined {
  for (const holder of observed.rivals) {
    const held = listHeld(holder, node)
    const kernelModule = names.find((name) => held.has(name))
    if (kernelModule !== undefined) return { holder, kernelModule }
  }
  // Nobody has it yet: of those who could have it at once, the oldest gets it.
  for (const holder of observed.rivals.filter((rival) => identify(rival) < identify(observed))) {
    const asked = holder.module ? kernelModulesOf(holder.module) : []
    const kernelModule = names.find((name) => asked.includes(name))
    if (kernelModule !== undefined && isWanted(holder)) return { holder, kernelModule }
  }
  return undefined
}

const advice = 'delete one of the two Modules, or select different nodes'

/** Both have it: both stay. What changes nothing in the kernel is followed. */
function keepShared(
  observed: ObservedModule,
  node: NodeView,
  item: NodeModuleItem,
  { holder, kernelModule }: Claim,
): Answer {
  const loaded = findInKernel(observed, node)
  const isFollowed = loaded === undefined || sameKernelState(loaded.config, item.config)
  const what = `kernel module ${kernelModule} is in this node's plan for Module ${holder.namespace}/${holder.name}, too`
  const message = `${what}: it is not unloaded while both have it; ${advice}`
  return { kind: 'keep', reason: 'ModuleClaimed', message, ...(isFollowed ? { item } : {}) }
}

/**
 * One kernel module is for one Module on a node: that which has it there, else the oldest that can have it. `isWanted` tells
 * whether a rival could come by itself. Where two have it already (as Modules taken over from the Go operator may), both stay.
 */
export function answerClaim(
  observed: ObservedModule,
  node: NodeView,
  item: NodeModuleItem,
  isWanted: (rival: ObservedCandidate) => boolean,
): Answer | undefined {
  if (observed.rivals.length === 0) return undefined
  const own = listHeld(observed, node)
  const names = listKernelModules(item.config.modprobe)
  const fresh = names.filter((name) => !own.has(name))
  const claim = findHolder(observed, fresh, node, isWanted)
  if (claim) {
    const { holder, kernelModule } = claim
    const message = `kernel module ${kernelModule} is that of Module ${holder.namespace}/${holder.name} on this node; ${advice}`
    return { kind: 'keep', reason: 'ModuleClaimed', message }
  }
  const shared = findHolder(
    observed,
    names.filter((name) => own.has(name)),
    node,
    () => false,
  )
  return shared && keepShared(observed, node, item, shared)
}
