import { readElf } from '../../kmod/elf.ts'

const entryBytes = 24

/** The symbols that a module exports, and those that it needs from elsewhere. */
export interface ModuleSymbols {
  exports: string[]
  imports: string[]
}

function splitStrings(section: Uint8Array | undefined): string[] {
  return Buffer.from(section ?? [])
    .toString('latin1')
    .split('\0')
    .filter((text) => text !== '')
}

function readUndefined(symbols: Buffer, names: Buffer): string[] {
  const found: string[] = []
  for (let at = entryBytes; at + entryBytes <= symbols.length; at += entryBytes) {
    const name = symbols.readUInt32LE(at)
    if (symbols.readUInt16LE(at + 6) !== 0 || name === 0 || name >= names.length) continue
    const end = names.indexOf(0, name)
    found.push(names.toString('latin1', name, end < 0 ? names.length : end))
  }
  return found
}

/** Reads the symbols of a plain, 64-bit, little-endian module file. Throws ModuleFileInvalid when it is none. */
export function readModuleSymbols(data: Uint8Array): ModuleSymbols {
  const object = readElf(data)
  const symbols = Buffer.from(object.findSection('.symtab') ?? [])
  const names = Buffer.from(object.findSection('.strtab') ?? [])
  return { exports: splitStrings(object.findSection('__ksymtab_strings')), imports: readUndefined(symbols, names) }
}
