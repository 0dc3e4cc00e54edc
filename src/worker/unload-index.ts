import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { LoadedModule } from './kernel-state.ts'

/** A module by name, and the names of those that it uses, the last of which is loaded first. */
export interface IndexedModule {
  name: string
  dependencies: string[]
}

/**
 * Lists what modprobe has to know to remove modules of which no image is at hand: the named modules and those that they use,
 * as the kernel tells by their holders. Of the kernel's own tree only named ones are listed: the rest is not KMM's to remove,
 * nor is what other Modules ask for (`spared`).
 */
export function listForUnload(
  all: readonly LoadedModule[],
  names: readonly string[],
  spared: readonly string[] = [],
): IndexedModule[] {
  const isOurs = ({ name, isOutOfTree }: LoadedModule): boolean =>
    names.includes(name) || (isOutOfTree && !spared.includes(name))
  const ours = new Map(all.filter(isOurs).map((module) => [module.name, module]))
  const dependenciesOf = (name: string): string[] =>
    [...ours.values()].filter((module) => module.holders.includes(name)).map((module) => module.name)
  const indexed = new Map<string, IndexedModule>()
  const add = (name: string): string[] => {
    const known = indexed.get(name)
    if (known) return known.dependencies
    const entry: IndexedModule = { name, dependencies: [] }
    indexed.set(name, entry)
    const direct = dependenciesOf(name)
    // A user stands before what it uses, so that modprobe removes it first.
    entry.dependencies = [...new Set([...direct, ...direct.flatMap(add)].toReversed())].toReversed()
    return entry.dependencies
  }
  for (const name of names) if (ours.has(name)) add(name)
  return [...indexed.values()]
}

/**
 * Writes a directory of modules that holds empty files, and the index of their names and dependencies: `modprobe -r` reads
 * the index, and only looks whether the files of dependencies are there. `folder` is the kernel's directory below
 * `lib/modules`; what was there is removed.
 */
export async function writeUnloadIndex(folder: string, modules: readonly IndexedModule[]): Promise<void> {
  const lines = modules.map(({ name, dependencies }) => ({
    key: name,
    value: [`${name}.ko:`, ...dependencies.map((each) => `${each}.ko`)].join(' '),
  }))
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  for (const { name } of modules) await writeFile(join(folder, `${name}.ko`), '')
  await writeDependencies(folder, lines)
}

/** Writes the lines of `modules.dep` (by module name, without newlines) as text and as modprobe reads them. */
export async function writeDependencies(
  folder: string,
  lines: readonly { key: string; value: string }[],
): Promise<void> {
  await writeFile(join(folder, 'modules.dep'), lines.map(({ value }) => `${value}\n`).join(''))
  await writeFile(join(folder, 'modules.dep.bin'), formatModuleIndex(lines))
}

// The binary index of kmod (libkmod's index format 2.1): a trie whose nodes are found by their offset. The highest bits of
// an offset say what a node has: 0x8 a prefix, 0x4 values, 0x2 children.
const magic = 0xb007f457
const formatVersion = 0x00020001
const hasValues = 0x40000000
const hasChildren = 0x20000000

/** The bytes of an index of kmod, as in `modules.dep.bin`: one node a character, for the few names that it is made for. */
export function formatModuleIndex(lines: readonly { key: string; value: string }[]): Buffer {
  const header = Buffer.alloc(12)
  const parts = [header]
  let length = header.length
  const addNode = (entries: readonly { key: string; value: string }[], depth: number): number => {
    const own = entries.filter(({ key }) => key.length === depth)
    const codes = [...new Set(entries.filter(({ key }) => key.length > depth).map(({ key }) => key.charCodeAt(depth)))]
    const children = new Map(
      codes.map((code) => [
        code,
        addNode(
          entries.filter(({ key }) => key.charCodeAt(depth) === code),
          depth + 1,
        ),
      ]),
    )
    const node = Buffer.concat([formatChildren(children), formatValues(own.map(({ value }) => value))])
    const offset = length
    parts.push(node)
    length += node.length
    // oxlint-disable-next-line no-bitwise
    return (offset | (children.size > 0 ? hasChildren : 0) | (own.length > 0 ? hasValues : 0)) >>> 0
  }
  const root = addNode(lines, 0)
  header.writeUInt32BE(magic, 0)
  header.writeUInt32BE(formatVersion, 4)
  header.writeUInt32BE(root, 8)
  return Buffer.concat(parts)
}

function formatChildren(children: ReadonlyMap<number, number>): Buffer {
  if (children.size === 0) return Buffer.alloc(0)
  const first = Math.min(...children.keys())
  const last = Math.max(...children.keys())
  const node = Buffer.alloc(2 + 4 * (last - first + 1))
  node.writeUInt8(first, 0)
  node.writeUInt8(last, 1)
  for (const [code, offset] of children) node.writeUInt32BE(offset, 2 + 4 * (code - first))
  return node
}

function formatValues(values: readonly string[]): Buffer {
  if (values.length === 0) return Buffer.alloc(0)
  const count = Buffer.alloc(4)
  count.writeUInt32BE(values.length, 0)
  return Buffer.concat([count, ...values.map((value) => Buffer.from(`\0\0\0\0${value}\0`, 'latin1'))])
}
