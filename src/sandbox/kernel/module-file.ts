import { buildVersions } from './symbol-versions.ts'

/** What a made-up module file says of itself. */
export interface ModuleFileInput {
  name: string
  /** `6.1.0-56-amd64`; the usual flags are added. */
  release: string
  srcversion?: string
  version?: string
  depends?: readonly string[]
  inTree?: boolean
  /** Default GPL. */
  license?: string
  exports?: readonly string[]
  /** Symbols that it needs from the kernel or another module. */
  imports?: readonly string[]
  /** Type by parameter name, such as `int`. */
  parameters?: Readonly<Record<string, string>>
  firmware?: readonly string[]
  architecture?: 'amd64' | 'arm64'
}

const machines = { amd64: 62, arm64: 183 } as const
const strings = (texts: readonly string[]): Buffer => Buffer.from(texts.map((text) => `${text}\0`).join(''), 'latin1')

function modinfo(input: ModuleFileInput): Buffer {
  const optional = (key: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${key}=${value}`]
  return strings([
    ...optional('version', input.version),
    `license=${input.license ?? 'GPL'}`,
    ...(input.firmware ?? []).map((file) => `firmware=${file}`),
    ...optional('srcversion', input.srcversion),
    `depends=${(input.depends ?? []).join(',')}`,
    ...(input.inTree === true ? ['intree=Y'] : []),
    `name=${input.name}`,
    `vermagic=${input.release} SMP preempt mod_unload modversions `,
    ...Object.entries(input.parameters ?? {}).map(([name, type]) => `parmtype=${name}:${type}`),
  ])
}

/** The undefined symbols of a module, as its symbol table has them. */
function symbolTable(imports: readonly string[]): { symbols: Buffer; names: Buffer } {
  const entries = [Buffer.alloc(24)]
  let at = 1
  for (const name of imports) {
    const entry = Buffer.alloc(24)
    entry.writeUInt32LE(at, 0)
    entry.writeUInt8(0x10, 4)
    entries.push(entry)
    at += name.length + 1
  }
  return { symbols: Buffer.concat(entries), names: Buffer.concat([Buffer.from([0]), strings(imports)]) }
}

interface Section {
  name: string
  type: number
  body: Buffer
  link?: number
  entryBytes?: number
}

function sectionHeader(section: Section, nameOffset: number, offset: number): Buffer {
  const header = Buffer.alloc(64)
  header.writeUInt32LE(nameOffset, 0)
  header.writeUInt32LE(section.type, 4)
  header.writeBigUInt64LE(BigInt(offset), 24)
  header.writeBigUInt64LE(BigInt(section.body.length), 32)
  header.writeUInt32LE(section.link ?? 0, 40)
  header.writeBigUInt64LE(BigInt(section.entryBytes ?? 0), 56)
  return header
}

function assemble(sections: readonly Section[], machine: number): Buffer {
  const names = strings(['', ...sections.map(({ name }) => name), '.shstrtab'])
  const all: Section[] = [...sections, { name: '.shstrtab', type: 3, body: names }]
  const headers: Buffer[] = [Buffer.alloc(64)]
  let offset = 64
  let nameOffset = 1
  for (const section of all) {
    headers.push(sectionHeader(section, nameOffset, offset))
    offset += section.body.length
    nameOffset += section.name.length + 1
  }
  const file = Buffer.alloc(64)
  file.write('\x7fELF\x02\x01\x01', 'latin1')
  file.writeUInt16LE(1, 16)
  file.writeUInt16LE(machine, 18)
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(BigInt(offset), 40)
  file.writeUInt16LE(64, 52)
  file.writeUInt16LE(64, 58)
  file.writeUInt16LE(headers.length, 60)
  file.writeUInt16LE(headers.length - 1, 62)
  return Buffer.concat([file, ...all.map(({ body }) => body), ...headers])
}

/**
 * Makes the bytes of a `.ko` file without a compiler: an ELF object that holds what the kernel reads before it runs a
 * module's code, and no code. For the in-tree modules of virtual nodes and for tests.
 */
export function buildModuleFile(input: ModuleFileInput): Buffer {
  const { symbols, names } = symbolTable(input.imports ?? [])
  const sections: Section[] = [
    { name: '.modinfo', type: 1, body: modinfo(input) },
    { name: '__ksymtab_strings', type: 1, body: strings(input.exports ?? []) },
    { name: '.symtab', type: 2, body: symbols, link: 4, entryBytes: 24 },
    { name: '.strtab', type: 3, body: names },
    { name: '__versions', type: 1, body: buildVersions(input.release) },
  ]
  return assemble(sections, machines[input.architecture ?? 'amd64'])
}
