/** Builds tar archives for tests, hostile ones included: nothing is checked or normalised. */

/** One entry; `type` is tar's one-character type flag ("0" file, "1" hard link, "2" symbolic link, "5" directory …). */
export interface TestEntry {
  name: string
  type?: string
  content?: Uint8Array | string
  linkName?: string
  mode?: number
  /** Attributes of a PAX header that is put before the entry. */
  pax?: Record<string, string>
  /** Changes the finished header, checksum and all. */
  corrupt?: (header: Buffer) => void
}

export const file = (name: string, content: Uint8Array | string = 'x', mode = 0o644): TestEntry => ({
  name,
  content,
  mode,
})
export const directory = (name: string): TestEntry => ({ name, type: '5', mode: 0o755 })
export const symbolicLink = (name: string, linkName: string): TestEntry => ({ name, type: '2', linkName })
export const hardLink = (name: string, linkName: string): TestEntry => ({ name, type: '1', linkName })

/** The bytes of an archive, with its two closing blocks. */
export function buildTar(entries: readonly TestEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(buildEntry), Buffer.alloc(1024)])
}

function buildEntry(entry: TestEntry): Buffer[] {
  const content = Buffer.from(entry.content ?? '')
  const header = buildHeader(entry, content.length)
  entry.corrupt?.(header)
  const own = [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  const long = entry.pax ?? buildLongNames(entry)
  return Object.keys(long).length === 0 ? own : [...buildPax(long), ...own]
}

function buildLongNames(entry: TestEntry): Record<string, string> {
  return {
    ...(Buffer.byteLength(entry.name) > 100 ? { path: entry.name } : {}),
    ...(Buffer.byteLength(entry.linkName ?? '') > 100 ? { linkpath: entry.linkName ?? '' } : {}),
  }
}

function buildPax(attributes: Record<string, string>): Buffer[] {
  const records = Object.entries(attributes).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest
    while (length !== rest + String(length).length) length = rest + String(length).length
    return `${length} ${key}=${value}\n`
  })
  return buildEntry({ name: 'PaxHeaders/x', type: 'x', content: records.join(''), pax: {} })
}

function buildHeader(entry: TestEntry, size: number): Buffer {
  const header = Buffer.alloc(512)
  header.write(entry.name.slice(0, 100), 0)
  header.write(octal(entry.mode ?? 0o644, 7), 100)
  header.write(octal(0, 7), 108)
  header.write(octal(0, 7), 116)
  header.write(octal(size, 11), 124)
  header.write(octal(0, 11), 136)
  header.write(entry.type ?? '0', 156)
  header.write((entry.linkName ?? '').slice(0, 100), 157)
  header.write('ustar\0', 257)
  header.write('00', 263)
  header.write('        ', 148)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${octal(sum, 6)}\0 `, 148)
  return header
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0')
