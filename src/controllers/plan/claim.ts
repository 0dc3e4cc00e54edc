import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import { formatKey } from '../../kube/object.ts'
import { kernelModulesOf } from '../cluster/caches.ts'
import { listKernelModules } from '../cluster/kernel-modules.ts'
import { findInKernel } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Answer } from './answered.ts'
import type { ObservedCandidate, ObservedModule, ObservedPlan } from './observed.ts'

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

/** What is said of a candidate as if it had the node's kernel for itself. */
type AnswerAlone = (candidate: ObservedCandidate) => Answer

/** All that may have to share the node's kernel. */
interface Contest {
  candidates: readonly ObservedCandidate[]
  node: NodeView
  answerAlone: AnswerAlone
  /** Whether each candidate comes, as far as that is worked out. */
  coming: Map<ObservedCandidate, boolean>
}

/** Another one that has one of these kernel modules. */
function findHaving(own: ObservedCandidate, names: readonly string[], contest: Contest): Claim | undefined {
  for (const holder of contest.candidates) {
    if (holder === own) continue
    const held = listHeld(holder, contest.node)
    const kernelModule = names.find((name) => held.has(name))
    if (kernelModule !== undefined) return { holder, kernelModule }
  }
  return undefined
}

/** True for a candidate that comes now: wanted, and in nobody's shadow. Asks only about older ones, and so ends. */
function isComing(candidate: ObservedCandidate, contest: Contest): boolean {
  const known = contest.coming.get(candidate)
  if (known !== undefined) return known
  const answer = contest.answerAlone(candidate)
  const comes =
    answer.kind === 'want' &&
    findHolder(candidate, splitNames(candidate, answer.item, contest.node).fresh, contest) === undefined
  contest.coming.set(candidate, comes)
  return comes
}

/** Who has, or will have, a kernel module that the Module would be new to. */
function findHolder(own: ObservedCandidate, names: readonly string[], contest: Contest): Claim | undefined {
  const having = findHaving(own, names, contest)
  if (having) return having
  // Nobody has it yet: of those who could have it at once, the oldest gets it.
  for (const holder of contest.candidates.filter((rival) => identify(rival) < identify(own))) {
    const asked = holder.module ? kernelModulesOf(holder.module) : []
    const kernelModule = names.find((name) => asked.includes(name))
    if (kernelModule !== undefined && isComing(holder, contest)) return { holder, kernelModule }
  }
  return undefined
}

/** The kernel modules that it asks for: those that would be new to it, and those that it has. */
function splitNames(
  own: ObservedCandidate,
  item: NodeModuleItem,
  node: NodeView,
): { fresh: readonly string[]; present: readonly string[] } {
  const held = listHeld(own, node)
  const names = listKernelModules(item.config.modprobe)
  return { fresh: names.filter((name) => !held.has(name)), present: names.filter((name) => held.has(name)) }
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
 * One kernel module is for one Module on a node: that which has it there, else the oldest that can have it. `answerAlone`
 * tells whether a rival could come by itself. Where two have it already (as Modules taken over from the Go operator may),
 * both stay.
 */
export function answerClaim(
  observed: ObservedModule,
  node: NodeView,
  item: NodeModuleItem,
  answerAlone: AnswerAlone,
): Answer | undefined {
  if (observed.rivals.length === 0) return undefined
  const contest = { candidates: [observed, ...observed.rivals], node, answerAlone, coming: new Map() }
  const { fresh, present } = splitNames(observed, item, node)
  const claim = findHolder(observed, fresh, contest)
  if (claim) {
    const { holder, kernelModule } = claim
    const message = `kernel module ${kernelModule} is that of Module ${holder.namespace}/${holder.name} on this node; ${advice}`
    return { kind: 'keep', reason: 'ModuleClaimed', message }
  }
  const shared = findHaving(observed, present, contest)
  return shared && keepShared(observed, node, item, shared)
}

/**
 * What has nothing on the node yet does not come while a pod of another Module, which the plan names no more, may be loading or
 * unloading the same kernel module: which of the two has it then, nobody would know.
 */
export function awaitPods(module: ObservedModule, answer: Answer, { node, busy }: ObservedPlan): Answer {
  if (answer.kind !== 'want' || module.entry || findInKernel(module, node)) return answer
  const names = listKernelModules(answer.item.config.modprobe)
  const own = formatKey(module)
  for (const [key, { kernelModules }] of busy) {
    const shared = key === own ? undefined : names.find((name) => kernelModules.includes(name))
    if (shared === undefined) continue
    const message = `a worker pod of Module ${key}, which has kernel module ${shared}, too, is still on this node`
    return { kind: 'keep', reason: 'ModuleClaimed', message }
  }
  return answer
}
