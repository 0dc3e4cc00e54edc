import { parseUnloadPolicy, unloadPolicyAnnotation } from '../../api/annotations.ts'
import { sameKernelState } from '../../api/module-config.ts'
import type { NodeModuleItem } from '../../api/node-modules-config.ts'
import { type LoadedItem, findInKernel } from '../cluster/module-on-node.ts'
import type { NodeView } from '../cluster/node-view.ts'
import type { Answer } from './answered.ts'
import { toEntry } from './item.ts'
import type { ObservedCandidate } from './observed.ts'

/** What is loaded for sure, and by the Module's policy not to be unloaded. */
function findUnmovable(observed: ObservedCandidate, node: NodeView): LoadedItem | undefined {
  if (parseUnloadPolicy(observed.module?.metadata.annotations) !== 'Never') return undefined
  const loaded = findInKernel(observed, node)
  return loaded && loaded.bootId === node.bootId ? loaded : undefined
}

/** The plan goes on to say what is loaded. */
function keepLoaded(loaded: LoadedItem, { entry }: ObservedCandidate, what: string): Answer {
  const isSaid = entry !== undefined && sameKernelState(entry.config, loaded.config)
  const advice = `reboot the node, or change the Module's annotation ${unloadPolicyAnnotation}`
  const message = `${what} would need an unload, which its unload policy Never forbids; ${advice}`
  return { kind: 'keep', reason: 'UnloadForbidden', message, ...(isSaid ? {} : { item: toEntry(loaded) }) }
}

/** A change of a module that is never unloaded waits for the next boot. */
export function answerForbidden(observed: ObservedCandidate, node: NodeView, item: NodeModuleItem): Answer | undefined {
  const loaded = findUnmovable(observed, node)
  if (loaded === undefined || sameKernelState(item.config, loaded.config)) return undefined
  return keepLoaded(loaded, observed, `what the Module asks for now (${item.config.containerImage})`)
}

/** So does an ordered upgrade. */
export function answerUpgrade(observed: ObservedCandidate, node: NodeView): Answer | undefined {
  const loaded = findUnmovable(observed, node)
  return loaded && keepLoaded(loaded, observed, 'the upgrade to another version')
}
