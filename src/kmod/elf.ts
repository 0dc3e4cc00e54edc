import { moduleFileInvalid } from './invalid.ts'

/** The architectures that Kubernetes and container images name, by the number that ELF has for them. */
const architectures: ReadonlyMap<number, string> = new Map([
  [3, '386'],
  [21, 'ppc64le'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'amd64'],
  [183, 'arm64'],
  [243, 'riscv64'],
  [258, 'loong64'],
])

const relocatable = 1
const noBits = 8
/** Modules built with a section for each function have thousands; none has a hundred thousand. */
const mostSections = 100_000

/** A relocatable ELF object, which every kernel module is. */
export interface ElfObject {
  /** As in image indexes and node status (`amd64`, `arm64`, …), or undefined for a machine that KMM does not know. */
  architecture: string | undefined
  /** The bytes of the first section of that name, a view, or undefined. */
  findSection(name: string): Uint8Array | undefined
}

interface Layout {
  view: DataView
  wide: boolean
  little: boolean
}

interface Section {
  nameOffset: number
  type: number
  offset: number
  size: number
  link: number
}

/** Reads the header and section table of a module file. Throws ModuleFileInvalid when they are not those of one. */
export function readElf(data: Uint8Array): ElfObject {
  try {
    return readElfUnguarded(data)
  } catch (error) {
    if (error instanceof RangeError) throw moduleFileInvalid('is damaged: it ends before its ELF tables do', error)
    throw error
  }
}

function readElfUnguarded(data: Uint8Array): ElfObject {
  const layout = readLayout(data)
  const { view, little } = layout
  if (view.getUint16(16, little) !== relocatable) {
    throw moduleFileInvalid(
      'is no kernel module: it is an ELF program or library, and a module is a relocatable object',
    )
  }
  const architecture = architectures.get(view.getUint16(18, little))
  const sections = readSections(layout)
  const names = sections.names
  return {
    architecture,
    findSection(name) {
      const section = sections.list.find((candidate) => readName(names, candidate.nameOffset) === name)
      return section === undefined || section.type === noBits ? undefined : sliceSection(data, section)
    },
  }
}

function readLayout(data: Uint8Array): Layout {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  if (data.byteLength < 52 || view.getUint32(0, false) !== 0x7f454c46) {
    throw moduleFileInvalid('is no kernel module: it does not begin as an ELF file')
  }
  const kind = view.getUint8(4)
  const order = view.getUint8(5)
  if ((kind !== 1 && kind !== 2) || (order !== 1 && order !== 2)) {
    throw moduleFileInvalid('is damaged: its ELF header names no known word size or byte order')
  }
  return { view, wide: kind === 2, little: order === 1 }
}

function readSections(layout: Layout): { list: Section[]; names: Uint8Array } {
  const { view } = layout
  const { table, entryBytes, count, namesIndex } = readTableHeader(layout)
  if (count > mostSections)
    throw moduleFileInvalid(`has ${count} ELF sections, more than the ${mostSections} that are read`)
  const list = Array.from({ length: count }, (_, index) => readSection(layout, table + index * entryBytes))
  const names = list[namesIndex]
  if (names === undefined) throw moduleFileInvalid('is damaged: the names of its sections are missing')
  return { list, names: sliceSection(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), names) }
}

interface TableHeader {
  table: number
  entryBytes: number
  count: number
  namesIndex: number
}

function readTableHeader(layout: Layout): TableHeader {
  const { view, wide, little } = layout
  const at = wide ? { table: 40, numbers: 58, entry: 64 } : { table: 32, numbers: 46, entry: 40 }
  const table = readAddress(layout, at.table)
  const entryBytes = view.getUint16(at.numbers, little)
  if (table === 0 || entryBytes < at.entry) throw moduleFileInvalid('is damaged: it has no table of sections')
  const count = view.getUint16(at.numbers + 2, little)
  const namesIndex = view.getUint16(at.numbers + 4, little)
  // Numbers too large for the header stand in the first entry of the table (ELF specification, extended numbering).
  const first = readSection(layout, table)
  return {
    table,
    entryBytes,
    count: count === 0 ? first.size : count,
    namesIndex: namesIndex === 0xffff ? first.link : namesIndex,
  }
}

function readSection(layout: Layout, at: number): Section {
  const { view, wide, little } = layout
  return {
    nameOffset: view.getUint32(at, little),
    type: view.getUint32(at + 4, little),
    offset: readAddress(layout, at + (wide ? 24 : 16)),
    size: readAddress(layout, at + (wide ? 32 : 20)),
    link: view.getUint32(at + (wide ? 40 : 24), little),
  }
}

function readAddress({ view, wide, little }: Layout, at: number): number {
  if (!wide) return view.getUint32(at, little)
  const value = view.getBigUint64(at, little)
  if (value > BigInt(Number.MAX_SAFE_INTEGER))
    throw moduleFileInvalid('is damaged: an address in its ELF tables is absurd')
  return Number(value)
}

function sliceSection(data: Uint8Array, { offset, size }: Section): Uint8Array {
  if (offset + size > data.byteLength) throw moduleFileInvalid('is damaged: a section reaches beyond its end')
  return data.subarray(offset, offset + size)
}

function readName(names: Uint8Array, offset: number): string {
  const end = names.indexOf(0, offset)
  return Buffer.from(names.subarray(offset, Math.min(end < 0 ? names.byteLength : end, offset + 256))).toString(
    'latin1',
  )
}
