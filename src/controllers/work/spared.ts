import { listInTreeModules } from '../../api/module-config.ts'
import type { ModprobeSpec } from '../../api/module-parts.ts'
import type { ModuleConfig } from '../../api/node-modules-config.ts'
import { isModuleName, normalizeModuleName } from '../../kmod/module-name.ts'
import { listKernelModules } from '../cluster/kernel-modules.ts'
import { findInKernel } from '../cluster/module-on-node.ts'
import type { Held } from './departure.ts'
import type { ObservedModule, ObservedNode } from './observed.ts'
import { mayHaveLoaded } from './settle.ts'
import type { Worker } from './worker.ts'
import type { WorkerIntent } from './worker-intent.ts'

/** What a Module asks for by name; of a raw command line every word that could be a name, as to spare too much harms nobody. */
function listNamed(modprobe: ModprobeSpec): string[] {
  const words = (modprobe.rawArgs?.load ?? []).filter(isModuleName).map(normalizeModuleName)
  return [...listKernelModules(modprobe), ...words]
}

/**
 * The kernel modules, in the kernel's spelling, that are or may be in the kernel for the node's other Modules: what is removed
 * for this one must not take them along.
 */
function listSpared(own: ObservedModule, { modprobe }: ModuleConfig, { modules, node }: ObservedNode): string[] {
  const asked = new Set(listNamed(modprobe))
  const names = modules
    .filter((other) => other !== own)
    .flatMap((other) => [other.entry, findInKernel(other, node), ...other.workers.map(({ intent }) => intent)])
    .flatMap((item) => (item ? listNamed(item.config.modprobe) : []))
  return [...new Set(names)].filter((name) => !asked.has(name)).sort()
}

/** True for a worker that has modprobe remove modules. */
const removes = ({ action, config }: WorkerIntent): boolean =>
  action === 'Unload' || listInTreeModules(config).length > 0

/** The intent with what its worker has to know of other Modules. */
export function tellSpared(intent: WorkerIntent, module: ObservedModule, observed: ObservedNode): WorkerIntent {
  return removes(intent) ? { ...intent, sparedModules: listSpared(module, intent.config, observed) } : intent
}

/** True for a worker that may take along what another Module asks for since its pod was made. */
export function isUnaware({ intent }: Worker, module: ObservedModule, observed: ObservedNode): boolean {
  if (!removes(intent)) return false
  return listSpared(module, intent.config, observed).some((name) => !intent.sparedModules.includes(name))
}

/** Why a Module must not be loaded yet: another one's worker could take out again what it finds loaded. */
export function findUnaware(module: ObservedModule, observed: ObservedNode): Held | undefined {
  if (module.entry === undefined || module.workers.some(mayHaveLoaded)) return undefined
  const names = listNamed(module.entry.config.modprobe)
  const isDanger = ({ intent }: Worker): boolean => {
    const known = new Set([...intent.sparedModules, ...listNamed(intent.config.modprobe)])
    return removes(intent) && names.some((name) => !known.has(name))
  }
  const pod = observed.modules
    .filter((other) => other !== module)
    .flatMap(({ workers }) => workers)
    .find(isDanger)
  if (pod === undefined) return undefined
  const message = `pod ${pod.podName} does not know of this Module and could take its modules out: first it ends or is replaced`
  return { kind: 'hold', reason: 'WorkerRunning', message }
}
