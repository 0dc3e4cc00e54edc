/** A file of an archive; folders are made as needed. */
export interface ArchiveFile {
  /** Without a leading slash. */
  path: string
  content: Buffer
  /** Default 0644. */
  mode?: number
}

const regularFile = 0o100000
const folderMode = 0o040755

const pad = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])

/** One entry in the format "newc" (Linux: Documentation/driver-api/early-userspace/buffer-format.rst). */
function encodeEntry(inode: number, path: string, mode: number, content: Buffer): Buffer {
  const name = Buffer.from(`${path}\0`)
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0]
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return Buffer.concat([pad(Buffer.concat([Buffer.from(header), name])), pad(content)])
}

function listFolders(files: readonly ArchiveFile[]): string[] {
  const folders = new Set<string>()
  for (const { path } of files) {
    const parts = path.split('/')
    for (let count = 1; count < parts.length; count += 1) folders.add(parts.slice(0, count).join('/'))
  }
  return [...folders].sort()
}

/** A cpio archive, as the kernel unpacks it into its first file system. */
export function buildCpio(files: readonly ArchiveFile[]): Buffer {
  const folders = listFolders(files).map((path) => [path, folderMode, Buffer.alloc(0)] as const)
  const plain = files.map(({ path, mode = 0o644, content }) => [path, regularFile | mode, content] as const)
  const entries = [...folders, ...plain].map(([path, mode, content], index) =>
    encodeEntry(index + 1, path, mode, content),
  )
  return Buffer.concat([...entries, encodeEntry(0, 'TRAILER!!!', 0, Buffer.alloc(0))])
}
