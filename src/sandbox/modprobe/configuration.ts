import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { normalizeModuleName } from '../../kmod/module-name.ts'
import { parseSoftdep, type SoftDependencies } from '../../kmod/softdep.ts'

/** What the files of `/etc/modprobe.d` and `modules.softdep` say. */
export interface ModprobeConfiguration {
  /** Argument string by module. */
  options: ReadonlyMap<string, string[]>
  aliases: ReadonlyMap<string, string>
  blacklist: ReadonlySet<string>
  softdeps: ReadonlyMap<string, SoftDependencies>
}

interface ConfigurationFile {
  name: string
  path: string
}

const configurationFolders = ['/etc/modprobe.d', '/run/modprobe.d', '/usr/local/lib/modprobe.d', '/lib/modprobe.d']

function listFiles(path: string): ConfigurationFile[] {
  try {
    if (!statSync(path).isDirectory()) return [{ name: path.slice(path.lastIndexOf('/') + 1), path }]
    const names = readdirSync(path).filter((name) => name.endsWith('.conf') && !name.startsWith('.'))
    return names.map((name) => ({ name, path: join(path, name) }))
  } catch {
    return []
  }
}

/** Logical lines: a backslash at the end continues one, `#` begins a comment. */
function readLines(path: string): string[][] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  const lines = text.replaceAll('\\\n', ' ').split('\n')
  return lines
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(/\s+/))
}

/** The files that count, in the order in which they do. */
function collectFiles(places: readonly string[], tree: string): ConfigurationFile[] {
  const files = new Map<string, ConfigurationFile>()
  const listed = [...places.flatMap(listFiles), { name: 'modules.softdep', path: join(tree, 'modules.softdep') }]
  for (const file of listed) if (!files.has(file.name)) files.set(file.name, file)
  return [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

type Statement = (name: string, rest: readonly string[]) => void

/**
 * Reads the configuration of modprobe: `-C` files or the usual folders, through `resolve` into the container, and
 * `modules.softdep` of the module tree. Files count in the order of their names, of two with one name the first folder's;
 * of several softdep lines for a module the first counts. Install and remove commands are not run: there is no shell.
 */
export function readConfiguration(
  configs: readonly string[],
  tree: string,
  resolve: (path: string) => string,
): ModprobeConfiguration {
  const places = (configs.length > 0 ? configs : configurationFolders).map(resolve)
  const options = new Map<string, string[]>()
  const aliases = new Map<string, string>()
  const blacklist = new Set<string>()
  const softdeps = new Map<string, SoftDependencies>()
  const statements: Readonly<Record<string, Statement>> = {
    options: (name, rest) => options.set(name, [...(options.get(name) ?? []), rest.join(' ')]),
    alias: (name, rest) => aliases.set(name, normalizeModuleName(rest[0] ?? '')),
    blacklist: (name) => blacklist.add(name),
    softdep: (name, rest) => softdeps.has(name) || softdeps.set(name, parseSoftdep(rest)),
  }
  for (const [keyword = '', name = '', ...rest] of collectFiles(places, tree).flatMap(({ path }) => readLines(path)))
    statements[keyword]?.(normalizeModuleName(name), rest)
  return { options, aliases, blacklist, softdeps }
}
