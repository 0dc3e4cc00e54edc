const active = 1
const endOfPath = Buffer.from([0x7f, 0xff, 0x04, 0x00])

/** A program that the firmware starts. */
export interface BootOption {
  description: string
  /** On any file system that the firmware finds, with backslashes. */
  path: string
  /** Handed to the program; a Linux kernel takes it as its command line. */
  commandLine: string
}

/** EFI_LOAD_OPTION (UEFI specification, 3.1.3), whose path is a media device path of the sub-type "file path" (10.3.5.4) alone. */
export function encodeBootOption({ description, path, commandLine }: BootOption): Buffer {
  const name = Buffer.from(`${path}\0`, 'utf16le')
  const node = Buffer.from([0x04, 0x04, 0, 0])
  node.writeUInt16LE(node.length + name.length, 2)
  const filePath = Buffer.concat([node, name, endOfPath])
  const header = Buffer.alloc(6)
  header.writeUInt32LE(active, 0)
  header.writeUInt16LE(filePath.length, 4)
  return Buffer.concat([
    header,
    Buffer.from(`${description}\0`, 'utf16le'),
    filePath,
    Buffer.from(`${commandLine}\0`, 'utf16le'),
  ])
}
