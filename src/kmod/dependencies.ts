import { moduleFileInvalid } from './invalid.ts'
import { normalizeModuleName, parseModuleFileName } from './module-name.ts'

/** A distribution's modules.dep has some 600 KB and 5,000 lines. */
const largestFileBytes = 64 * 1024 * 1024
const mostModules = 100_000

/** One line of `modules.dep`. */
export interface ModuleDependencies {
  /** The kernel's spelling of the name. */
  name: string
  /** Path of the file as depmod wrote it, relative to the folder of modules.dep unless absolute. */
  path: string
  /** Paths of everything that has to be loaded first, as depmod wrote them: the last one is loaded first. */
  dependencies: string[]
}

/** Parses `modules.dep` into its lines by module name. Lines that name no module file are left out. Throws ModuleFileInvalid when it is too large. */
export function parseModulesDep(text: string): ReadonlyMap<string, ModuleDependencies> {
  const modules = new Map<string, ModuleDependencies>()
  for (const line of boundedLines(text, 'modules.dep')) {
    const colon = line.indexOf(':')
    if (colon < 0) continue
    const path = line.slice(0, colon).trim()
    const name = parseModuleFileName(path)
    if (name === undefined) continue
    const dependencies = line
      .slice(colon + 1)
      .split(' ')
      .filter((word) => word !== '')
    modules.set(name, { name, path, dependencies })
  }
  return modules
}

/** Parses `modules.builtin`, one path a line, into the names of the modules that are part of the kernel itself. */
export function parseModulesBuiltin(text: string): ReadonlySet<string> {
  const names = new Set<string>()
  for (const line of boundedLines(text, 'modules.builtin')) {
    const name = parseModuleFileName(line.trim())
    if (name !== undefined) names.add(name)
  }
  return names
}

/**
 * The lines of a module and of all that it depends on, in the order in which modprobe loads them (the module itself last);
 * undefined when `modules.dep` does not know the module. Names may be spelt with `-` or `_`.
 */
export function findLoadOrder(
  modules: ReadonlyMap<string, ModuleDependencies>,
  moduleName: string,
): ModuleDependencies[] | undefined {
  const wanted = modules.get(normalizeModuleName(moduleName))
  if (wanted === undefined) return undefined
  // depmod has written the closure already; a name twice or of the module itself would be its defect or an attack.
  const names = new Set(wanted.dependencies.toReversed().map((path) => parseModuleFileName(path) ?? ''))
  names.delete(wanted.name)
  const before = [...names].flatMap((name) => modules.get(name) ?? [])
  return [...before, wanted]
}

function boundedLines(text: string, file: string): string[] {
  if (text.length > largestFileBytes) throw moduleFileInvalid(`${file} is larger than ${largestFileBytes} bytes`)
  const lines = text.split('\n')
  if (lines.length > mostModules) throw moduleFileInvalid(`${file} has more than ${mostModules} lines`)
  return lines
}
