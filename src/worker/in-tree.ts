import { isSameModule, normalizeModuleName } from '../kmod/module-name.ts'
import type { LoadedModule } from './kernel-state.ts'

/** What is known before in-tree modules are removed. */
export interface InTreeInput {
  /** As the Module's author wrote them. */
  names: readonly string[]
  /** Those of them that are in the kernel. */
  loaded: readonly LoadedModule[]
  /** Modules that are part of the kernel itself. */
  builtin: ReadonlySet<string>
  /** Wanted modules that are in the kernel just as the image has them. */
  alreadyLoaded: ReadonlySet<string>
}

/** Which in-tree modules to remove, spelt as they were given, and why the others stay. */
export interface InTreePlan {
  remove: string[]
  kept: { name: string; why: string }[]
}

/**
 * Plans the removal of in-tree modules (upstream: load, step 2). Names match with `-` and `_` alike. A module that is not
 * from the kernel's own tree is never removed as if it were: it is most likely the one that KMM has loaded.
 */
export function planInTreeRemoval(input: InTreeInput): InTreePlan {
  const plan: InTreePlan = { remove: [], kept: [] }
  for (const name of input.names) {
    const why = findReasonToKeep(input, name)
    if (why !== undefined) plan.kept.push({ name, why })
    else if (!plan.remove.some((other) => isSameModule(other, name))) plan.remove.push(name)
  }
  return plan
}

function findReasonToKeep({ loaded, builtin, alreadyLoaded }: InTreeInput, name: string): string | undefined {
  const known = normalizeModuleName(name)
  if (builtin.has(known)) return 'it is built into the kernel and cannot be removed'
  const module = loaded.find((each) => each.name === known)
  if (module === undefined) return 'it is not loaded'
  if (module.isOutOfTree) return 'what is loaded under this name is not the in-tree module'
  return alreadyLoaded.has(known) ? 'it is the module of the image' : undefined
}
