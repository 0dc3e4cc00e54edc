import { sameKernelState } from '../../api/module-config.ts'
import type { Reason } from '../../errors/reason.ts'
import { listKernelModules } from '../cluster/kernel-modules.ts'
import { findInKernel, type LoadedItem } from '../cluster/module-on-node.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { mayHaveLoaded } from './settle.ts'

/** What is to become of something that is in the kernel and is not what the plan names. */
export type Departure =
  | { kind: 'unload' }
  /** It stays in the kernel, and is no longer the Module's. */
  | { kind: 'leave'; why: string }
  /** Nothing is done about it for now; looked at again after a while where nothing may wake the node. */
  | { kind: 'hold'; reason: Reason; message: string; againMs?: number }

export type Held = Extract<Departure, { kind: 'hold' }>

const unload: Departure = { kind: 'unload' }
const hold = (reason: Reason, message: string): Held => ({ kind: 'hold', reason, message })

/** Why a Module that the plan does not name is not to go after all; the plan is about to say so. */
function findNewerIntent({ answer }: ObservedModule): Departure | undefined {
  switch (answer?.kind) {
    case 'want':
      return hold('NodeModulesConfigPending', 'the plan is about to name it again')
    case 'keep':
      return hold(answer.reason, answer.message)
    default:
      return undefined
  }
}

/** Why what the plan names takes nothing out: the Module asks for what is loaded, and the plan is about to say so. */
function findMendedPlan({ answer, loaded }: ObservedModule): Departure | undefined {
  if (answer?.kind !== 'want' || loaded?.config === undefined) return undefined
  if (!sameKernelState(answer.item.config, loaded.config)) return undefined
  // Should the Module change its mind first, then the plan has nothing to write, and wakes nobody.
  return { ...hold('NodeModulesConfigPending', 'the plan is about to name what is loaded'), againMs: 1_000 }
}

/** What is loaded is another one than that which the plan names. */
function decideReplaced(module: ObservedModule): Departure {
  if (module.policy !== 'Never') return findMendedPlan(module) ?? unload
  return hold('UnloadForbidden', 'what is loaded stays until the next boot: its unload policy is Never')
}

/** As if no other Module had anything to do with it. */
function decideAlone(module: ObservedModule): Departure {
  if (module.entry !== undefined) return decideReplaced(module)
  const newer = findNewerIntent(module)
  if (newer) return newer
  return module.policy === 'Never' ? { kind: 'leave', why: 'its unload policy is Never' } : unload
}

const namesOf = (item: { config: LoadedItem['config'] } | undefined): string[] =>
  item === undefined ? [] : listKernelModules(item.config.modprobe)

/** The kernel modules that the node would miss if they were unloaded for another Module. */
function listNeeded(module: ObservedModule, observed: ObservedNode): string[] {
  const { entry, workers, reported } = module
  const loaded = findInKernel(module, observed.node)
  if (entry === undefined) return decideAlone(module).kind === 'unload' ? [] : namesOf(loaded)
  // A load may have done its work unheard; not one that fails because another version is there.
  const mayBeIn = loaded !== undefined || (workers.some(mayHaveLoaded) && reported?.reason !== 'OtherVersionLoaded')
  return mayBeIn ? [...namesOf(entry), ...namesOf(loaded)] : []
}

/**
 * Decides about what a Module has in the kernel. Where another Module needs only one of several modules, all of them stay:
 * modprobe takes along what it finds unused, so that a part cannot be unloaded safely.
 */
export function decideDeparture(module: ObservedModule, observed: ObservedNode): Departure {
  const alone = decideAlone(module)
  if (alone.kind !== 'unload') return alone
  const names = namesOf(findInKernel(module, observed.node))
  for (const other of observed.modules) {
    if (other === module) continue
    const needed = listNeeded(other, observed)
    const shared = names.filter((name) => needed.includes(name))
    if (shared.length === 0) continue
    const why = `Module ${other.namespace}/${other.name} has kernel module ${shared[0]}, too`
    // What is left is forgotten whole: nothing of it may be what is loaded next.
    const isAskedAgain = namesOf(module.entry).some((name) => names.includes(name))
    return isAskedAgain ? hold('ModuleClaimed', `${why}: it cannot be replaced`) : { kind: 'leave', why }
  }
  return unload
}

/** Why an unload must not begin yet: a pod that has loaded nothing so far could load meanwhile what is being unloaded. */
export function findIncoming(module: ObservedModule, loaded: LoadedItem, observed: ObservedNode): Held | undefined {
  if (module.workers.some(({ intent }) => intent.action === 'Unload')) return undefined
  const names = namesOf(loaded)
  const pod = observed.modules
    .filter((other) => other !== module)
    .flatMap(({ workers }) => workers)
    .find(
      (worker) =>
        worker.intent.action === 'Load' &&
        !mayHaveLoaded(worker) &&
        namesOf(worker.intent).some((name) => names.includes(name)),
    )
  return pod && hold('ModuleClaimed', `pod ${pod.podName}, which would load it again, is deleted first`)
}

/** Why a Module that is never unloaded must not be loaded yet: the plan is about to say something else of it. */
export function findNewerPlan({ entry, answer, policy }: ObservedModule): Held | undefined {
  if (entry === undefined || policy !== 'Never' || answer === undefined || answer.kind === 'keep') return undefined
  if (answer.kind === 'want' && sameKernelState(answer.item.config, entry.config)) return undefined
  return hold(
    'NodeModulesConfigPending',
    'the plan is about to name something else, and nothing could be unloaded for it',
  )
}

/** A worker takes, or is about to take, something of the Module out of the kernel. */
function isBeingUnloaded(module: ObservedModule, observed: ObservedNode): boolean {
  if (module.workers.some(({ intent }) => intent.action === 'Unload')) return true
  const loaded = findInKernel(module, observed.node)
  if (loaded === undefined || (module.entry && sameKernelState(module.entry.config, loaded.config))) return false
  return decideDeparture(module, observed).kind === 'unload'
}

/** Why a Module must not be loaded yet: another one that has one of its kernel modules is being unloaded. */
export function findHandOver(module: ObservedModule, observed: ObservedNode): Held | undefined {
  // A worker that is at it already fails for as long as another version is there, and is counted on by nobody.
  if (module.workers.some(mayHaveLoaded)) return undefined
  const names = namesOf(module.entry)
  const other = observed.modules.find(
    (each) =>
      each !== module &&
      namesOf(findInKernel(each, observed.node)).some((name) => names.includes(name)) &&
      isBeingUnloaded(each, observed),
  )
  return other && hold('ModuleClaimed', `Module ${other.namespace}/${other.name} is being unloaded first`)
}
