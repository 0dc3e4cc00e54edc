import { createHash } from 'node:crypto'
import { readElf } from '../../kmod/elf.ts'

const nameBytes = 56
const entryBytes = 8 + nameBytes

/** The symbol whose version stands for all of a kernel: the kernel compares it before any other. */
export const layoutSymbol = 'module_layout'

/** The versions that Debian's kernels give `module_layout`: several releases share one, flavours of a release do not. */
const knownLayouts: readonly (readonly [pattern: RegExp, version: number])[] = [
  [/^6\.1\.0-5[56]-amd64$/, 0x90_60_32_3f],
  [/^6\.1\.0-5[56]-cloud-amd64$/, 0xa3_51_f3_79],
  [/^6\.1\.0-56-rt-amd64$/, 0x94_87_07_9a],
  [/^6\.1\.0-5[034]-amd64$/, 0xbc_e1_a9_65],
]

/** The version of `module_layout` in a kernel; a kernel that is not known has one of its own. */
export function layoutOf(release: string): number {
  const known = knownLayouts.find(([pattern]) => pattern.test(release))
  return known?.[1] ?? createHash('sha256').update(release).digest().readUInt32LE(0)
}

/** The version of `module_layout` that a plain module file was built with; undefined where it has no symbol versions. */
export function readLayout(data: Uint8Array): number | undefined {
  const section = readElf(data).findSection('__versions')
  const table = Buffer.from(section ?? [])
  for (let at = 0; at + entryBytes <= table.length; at += entryBytes) {
    const name = table.toString('latin1', at + 8, at + entryBytes)
    if (name.slice(0, name.indexOf('\0')) === layoutSymbol) return table.readUInt32LE(at)
  }
  return undefined
}

/** The `__versions` section of a module that was built for a kernel and uses nothing else of it. */
export function buildVersions(release: string): Buffer {
  const entry = Buffer.alloc(entryBytes)
  entry.writeUInt32LE(layoutOf(release), 0)
  entry.write(layoutSymbol, 8, 'latin1')
  return entry
}
