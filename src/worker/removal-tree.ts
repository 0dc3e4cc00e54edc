import { copyFile, lstat, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModuleDependencies, parseModulesDep } from '../kmod/dependencies.ts'
import { normalizeModuleName, parseModuleFileName } from '../kmod/module-name.ts'
import { formatSoftdep, parseSoftdeps, type Softdep } from '../kmod/softdep.ts'
import { type Host, locate } from './host.ts'
import { writeDependencies } from './unload-index.ts'

/** What modprobe goes by when it removes modules of a tree. */
export interface RemovalIndexes {
  dependencies: ReadonlyMap<string, ModuleDependencies>
  softdeps: readonly Softdep[]
  /** The modules that an alias of a soft dependency stands for. */
  aliases: ReadonlyMap<string, readonly string[]>
}

/** Reads the indexes of a `lib/modules/<kernel>`, an absent one as empty. Throws `ModuleFileInvalid` for a `modules.dep` that is too large. */
export async function readRemovalIndexes(host: Host, folder: string): Promise<RemovalIndexes> {
  const read = (file: string): Promise<string> => readFile(locate(host, join(folder, file)), 'utf8').catch(() => '')
  const softdeps = parseSoftdeps(await read('modules.softdep'))
  const dependencies = parseModulesDep(await read('modules.dep'))
  const words = new Set(softdeps.flatMap(({ pre, post }) => [...pre, ...post]).map(normalizeModuleName))
  return {
    dependencies,
    softdeps,
    aliases: words.size === 0 ? new Map() : findAliases(await read('modules.alias'), words),
  }
}

/** Only aliases without wildcards: the others stand for devices. */
function findAliases(text: string, wanted: ReadonlySet<string>): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [keyword, alias = '', module] = line.split(' ')
    const known = normalizeModuleName(alias)
    if (keyword !== 'alias' || module === undefined || !wanted.has(known)) continue
    found.set(known, [...(found.get(known) ?? []), normalizeModuleName(module)])
  }
  return found
}

function resolve({ dependencies, aliases }: RemovalIndexes, word: string): readonly string[] {
  const name = normalizeModuleName(word)
  return dependencies.has(name) ? [name] : (aliases.get(name) ?? [])
}

const dependenciesOf = ({ dependencies }: RemovalIndexes, name: string): string[] =>
  (dependencies.get(name)?.dependencies ?? []).flatMap((path) => parseModuleFileName(path) ?? [])

/**
 * The modules that `modprobe -r` may remove with these, in the kernel's spelling: dependencies that nobody uses any more, soft
 * dependencies, and what those need in turn (as kmod 30 does it; it looks at soft dependencies only of what it was asked for).
 */
export function listTakenAlong(indexes: RemovalIndexes, names: readonly string[]): ReadonlySet<string> {
  const softdeps = new Map<string, string[]>()
  for (const { name, pre, post } of indexes.softdeps) {
    const known = normalizeModuleName(name)
    softdeps.set(known, [...(softdeps.get(known) ?? []), ...pre, ...post])
  }
  const asked = new Set(names.map(normalizeModuleName))
  const taken = new Set<string>()
  // A set that grows while it is walked: each module once.
  for (const name of asked) {
    taken.add(name)
    for (const dependency of dependenciesOf(indexes, name)) taken.add(dependency)
    for (const word of softdeps.get(name) ?? []) for (const each of resolve(indexes, word)) asked.add(each)
  }
  return taken
}

/** Where a tree of modules is, and where one that spares some is to be; both as the container sees them. */
export interface RemovalTree {
  from: string
  to: string
}

const replaced: ReadonlySet<string> = new Set(['modules.dep', 'modules.dep.bin', 'modules.softdep'])

/**
 * Makes a tree of modules in which nothing depends on the spared ones, so that modprobe does not take them along: everything
 * else is as it was. What was at `to` is removed.
 */
export async function writeRemovalTree(
  host: Host,
  { from, to }: RemovalTree,
  indexes: RemovalIndexes,
  spared: ReadonlySet<string>,
): Promise<void> {
  const folder = locate(host, to)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const name of await readdir(locate(host, from)).catch(() => []))
    if (!replaced.has(name)) await place(host, join(from, name), join(to, name))
  const isSpared = (path: string): boolean => spared.has(parseModuleFileName(path) ?? '')
  const lines = [...indexes.dependencies.values()].map(({ name, path, dependencies }) => ({
    key: name,
    value: [`${path}:`, ...dependencies.filter((each) => !isSpared(each))].join(' '),
  }))
  await writeDependencies(folder, lines)
  const keep = (words: readonly string[]): string[] =>
    words.filter((word) => !resolve(indexes, word).some((name) => spared.has(name)))
  const softdeps = indexes.softdeps.map(({ name, pre, post }) => ({ name, pre: keep(pre), post: keep(post) }))
  await writeFile(join(folder, 'modules.softdep'), softdeps.map(formatSoftdep).join(''))
}

/** Other indexes are copied, as they are small; everything else is linked to. */
async function place(host: Host, from: string, to: string): Promise<void> {
  const found = await lstat(locate(host, from)).catch(() => undefined)
  if (found?.isFile() && /\/modules\.[^/]*$/.test(from)) await copyFile(locate(host, from), locate(host, to))
  else await symlink(from, locate(host, to))
}
