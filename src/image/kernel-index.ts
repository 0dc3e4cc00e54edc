import { KmmError } from '../errors/error.ts'
import { findLoadOrder, type ModuleDependencies } from '../kmod/dependencies.ts'
import { normalizeModuleName, parseModuleFileName } from '../kmod/module-name.ts'
import type { InspectedKernel } from './inspect-image.ts'
import type { InspectedModule } from './inspect-module.ts'

/** A distribution's whole kernel has some 7,000 modules, and 40,000 paths of dependencies. */
const mostModules = 20_000
const mostDependencies = 500_000
/** Files of one name in several folders: depmod takes one of them. */
const mostOfName = 16
const longestPath = 4096

/** Finds what an image has for a kernel without reading all of it for each question. */
export interface KernelIndex {
  find(name: string): InspectedModule | undefined
  /** A link to the node's own module. */
  isOnNode(name: string): boolean
  /** As findLoadOrder, worked out once for a module; undefined also without `modules.dep`. */
  findOrder(name: string): readonly ModuleDependencies[] | undefined
  /** The paths of which `modules.dep` says that the module needs them, or that it is there, and that the image does not have. */
  listMissing(name: string): string[]
  /** How many dependencies `modules.dep` writes for the module. */
  countDependencies(name: string): number
}

const exceeded = (message: string): KmmError => new KmmError(message, { code: 'LimitExceeded', fate: 'terminal' })

function createFiles({ modules, onNode, hostLinks }: InspectedKernel): {
  byName: ReadonlyMap<string, InspectedModule[]>
  nodeNames: ReadonlySet<string>
  has: (path: string) => boolean
} {
  const [nodeNames, links] = [new Set(onNode), new Set(hostLinks)]
  const byName = new Map<string, InspectedModule[]>()
  for (const module of modules) {
    const same = byName.get(module.name)
    if (same === undefined) byName.set(module.name, [module])
    else if (same.length < mostOfName) same.push(module)
  }
  const isBelowLink = (path: string): boolean => {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      if (links.has(path.slice(0, end))) return true
    return false
  }
  const has = (path: string): boolean => {
    if (path.length > longestPath) return false
    const name = parseModuleFileName(path) ?? ''
    // An absolute path is one of the node.
    if (path.startsWith('/') || nodeNames.has(name)) return true
    return byName.get(name)?.some((module) => module.path.endsWith(`/${path}`)) === true || isBelowLink(path)
  }
  return { byName, nodeNames, has }
}

/** Indexes what an image has for a kernel. */
export function indexKernel(kernel: InspectedKernel): KernelIndex {
  const { dependencies } = kernel
  const { byName, nodeNames, has } = createFiles(kernel)
  const orders = new Map<string, readonly ModuleDependencies[] | undefined>()
  const present = new Map<ModuleDependencies, boolean>()
  const hasFile = (line: ModuleDependencies): boolean => {
    const known = present.get(line) ?? has(line.path)
    present.set(line, known)
    return known
  }
  const findOrder = (name: string): readonly ModuleDependencies[] | undefined => {
    if (dependencies === undefined) return undefined
    const key = normalizeModuleName(name)
    if (!orders.has(key)) orders.set(key, findLoadOrder(dependencies, key))
    return orders.get(key)
  }
  const lineOf = (name: string): readonly string[] => dependencies?.get(normalizeModuleName(name))?.dependencies ?? []
  return {
    find: (name) => byName.get(normalizeModuleName(name))?.[0],
    isOnNode: (name) => nodeNames.has(normalizeModuleName(name)),
    findOrder,
    listMissing(name) {
      const lines = (findOrder(name) ?? []).filter((line) => !hasFile(line)).map(({ path }) => path)
      const others = lineOf(name).filter(
        (path) => dependencies?.has(parseModuleFileName(path) ?? '') !== true && !has(path),
      )
      return [...new Set([...others, ...lines])]
    },
    countDependencies: (name) => lineOf(name).length,
  }
}

/** Throws LimitExceeded where judging the modules would take too long. */
export function boundModules(names: readonly string[], index: KernelIndex, release: string): void {
  if (names.length > mostModules)
    throw exceeded(
      `it has ${names.length} modules for ${release}, more than the ${mostModules} that are looked at: leave out what the node does not need`,
    )
  const all = names.reduce((sum, name) => sum + index.countDependencies(name), 0)
  if (all > mostDependencies)
    throw exceeded(
      `its modules.dep for ${release} writes ${all} dependencies, more than the ${mostDependencies} that are looked at: leave out what the node does not need, and run depmod`,
    )
}
