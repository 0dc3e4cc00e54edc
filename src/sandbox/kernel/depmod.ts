import { normalizeModuleName } from '../../kmod/module-name.ts'
import { buildIndex } from './module-index.ts'

/** A module file of a tree and what depmod has to know of it. */
export interface TreeModule {
  /** Relative to `lib/modules/<release>`, such as `kernel/drivers/net/foo.ko`. */
  path: string
  name: string
  /** Names of modules of this tree. */
  depends?: readonly string[]
  /** What its `MODULE_SOFTDEP` says, such as `pre: bar`. */
  softdep?: string
}

/** All that has to be loaded before a module: nearest first, so that the last is loaded first, as modules.dep has it. */
function closure(modules: ReadonlyMap<string, TreeModule>, module: TreeModule): TreeModule[] {
  const found: TreeModule[] = []
  const visit = (each: TreeModule): void => {
    for (const name of each.depends ?? []) {
      const dependency = modules.get(normalizeModuleName(name))
      if (dependency === undefined) continue
      const at = found.indexOf(dependency)
      if (at >= 0) found.splice(at, 1)
      found.push(dependency)
      visit(dependency)
    }
  }
  visit(module)
  return found
}

/**
 * What depmod writes beside the modules of a tree, by file name: `modules.dep`, `modules.softdep`, `modules.builtin` and
 * their binary forms. `builtin` are names of modules that are part of the kernel.
 */
export function buildModuleTreeFiles(
  modules: readonly TreeModule[],
  builtin: readonly string[] = [],
): Record<string, Buffer> {
  const byName = new Map(modules.map((module) => [normalizeModuleName(module.name), module]))
  const lines = modules.map((module) => ({
    key: normalizeModuleName(module.name),
    value: `${module.path}:${closure(byName, module)
      .map((each) => ` ${each.path}`)
      .join('')}`,
  }))
  const softdeps = modules.flatMap(({ name, softdep }) =>
    softdep === undefined ? [] : [`softdep ${name} ${softdep}\n`],
  )
  const builtinPaths = builtin.map((name) => `kernel/builtin/${name}.ko`)
  return {
    'modules.dep': Buffer.from(lines.map(({ value }) => `${value}\n`).join('')),
    'modules.dep.bin': buildIndex(lines.map((line, priority) => ({ ...line, priority }))),
    'modules.softdep': Buffer.from(softdeps.join('')),
    'modules.builtin': Buffer.from(builtinPaths.map((path) => `${path}\n`).join('')),
    'modules.builtin.bin': buildIndex(
      builtin.map((name) => ({ key: normalizeModuleName(name), value: '', priority: 0 })),
    ),
  }
}
