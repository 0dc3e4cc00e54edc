const headerBytes = 64
const sectionHeaderBytes = 64
const relocatable = 1
const machines: Readonly<Record<string, number>> = { amd64: 62, arm64: 183 }

/** What the kernel finds wrong with the ELF header of a module file, in its words; undefined when it is content. */
export function findElfFault(data: Uint8Array, architecture: string): string | undefined {
  const { length } = data
  if (length < headerBytes) return `Invalid ELF header len ${length}`
  const view = new DataView(data.buffer, data.byteOffset, length)
  if (view.getUint32(0) !== 0x7f454c46) return 'Invalid ELF header magic: != \u007fELF'
  const type = view.getUint16(16, true)
  if (type !== relocatable) return `Invalid ELF header type: ${type} != ${relocatable}`
  const machine = view.getUint16(18, true)
  if (machine !== machines[architecture]) return `Invalid architecture in ELF header: ${machine}`
  if (view.getUint16(58, true) !== sectionHeaderBytes) return 'Invalid ELF section header size'
  const table = view.getBigUint64(40, true)
  const end = table + BigInt(view.getUint16(60, true) * sectionHeaderBytes)
  return table >= length || end > length ? 'Invalid ELF section header overflow' : undefined
}
