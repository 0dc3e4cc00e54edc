import { KmmError } from '../../errors/error.ts'

// The binary form of modules.dep and its like, as depmod writes it and modprobe reads it: a trie on disk. An offset's
// upper four bits say which parts the node has: a prefix, children, values, in this order.
const magic = 0xb007f457
const version = 0x00020001
const hasPrefix = 0x80000000
const hasValues = 0x40000000
const hasChildren = 0x20000000
const offsetMask = 0x0fffffff
const headerBytes = 12

const has = (offset: number, flag: number): boolean => (offset & flag) !== 0

class Cursor {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  byte(): number {
    this.at += 1
    return this.#bytes.readUInt8(this.at - 1)
  }

  word(): number {
    this.at += 4
    return this.#bytes.readUInt32BE(this.at - 4)
  }

  text(): string {
    const end = this.#bytes.indexOf(0, this.at)
    if (end < 0) throw new RangeError('a text without an end')
    const text = this.#bytes.toString('latin1', this.at, end)
    this.at = end + 1
    return text
  }
}

/** True for a file that modprobe would read as an index. */
export function isModuleIndex(bytes: Buffer): boolean {
  return (
    bytes.length >= headerBytes && bytes.readUInt32BE(0) === magic && bytes.readUInt32BE(4) >>> 16 === version >>> 16
  )
}

function readValues(cursor: Cursor): string[] {
  const count = cursor.word()
  return Array.from({ length: Math.min(count, 10_000) }, () => {
    cursor.word()
    return cursor.text()
  })
}

function findChild(cursor: Cursor, character: number): number {
  const first = cursor.byte()
  const last = cursor.byte()
  const children = Array.from({ length: last - first + 1 }, () => cursor.word())
  return children[character - first] ?? 0
}

/** The values filed under a key in an index; empty when there are none. Throws ModuleFileInvalid for a damaged index. */
export function lookUp(bytes: Buffer, key: string): string[] {
  if (!isModuleIndex(bytes)) return []
  try {
    return walk(bytes, key)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new KmmError('an index of modules is damaged', { code: 'ModuleFileInvalid', fate: 'terminal', cause: error })
  }
}

function walk(bytes: Buffer, key: string): string[] {
  let offset = bytes.readUInt32BE(8)
  let rest = key
  for (;;) {
    const cursor = new Cursor(bytes, offset & offsetMask)
    const prefix = has(offset, hasPrefix) ? cursor.text() : ''
    if (!rest.startsWith(prefix)) return []
    rest = rest.slice(prefix.length)
    const child = has(offset, hasChildren) ? findChild(cursor, rest === '' ? -1 : rest.charCodeAt(0)) : 0
    if (rest === '') return has(offset, hasValues) ? readValues(cursor) : []
    if (child === 0) return []
    rest = rest.slice(1)
    offset = child
  }
}

interface Node {
  prefix: string
  values: { priority: number; text: string }[]
  children: Map<number, Node>
}

/** An entry of an index that is to be written; the lower priority comes first. */
export interface IndexEntry {
  key: string
  value: string
  priority: number
}

function commonPrefix(keys: readonly string[]): string {
  const [first = '', ...others] = keys
  let length = first.length
  for (const key of others) while (!key.startsWith(first.slice(0, length))) length -= 1
  return first.slice(0, length)
}

function buildNode(entries: readonly IndexEntry[]): Node {
  const prefix = commonPrefix(entries.map(({ key }) => key))
  const groups = new Map<number, IndexEntry[]>()
  const values: Node['values'] = []
  for (const { key, value, priority } of entries) {
    const rest = key.slice(prefix.length)
    if (rest === '') values.push({ priority, text: value })
    else {
      const character = rest.charCodeAt(0)
      groups.set(character, [...(groups.get(character) ?? []), { key: rest.slice(1), value, priority }])
    }
  }
  const children = new Map([...groups].map(([character, group]) => [character, buildNode(group)]))
  return { prefix, values: values.sort((a, b) => a.priority - b.priority), children }
}

const word = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}

class IndexWriter {
  readonly #parts: Buffer[] = []
  #size = headerBytes

  finish(root: number): Buffer {
    return Buffer.concat([word(magic), word(version), word(root), ...this.#parts])
  }

  node(node: Node): number {
    const offsets = new Map<number, number>()
    for (const [character, child] of [...node.children].sort(([a], [b]) => a - b))
      offsets.set(character, this.node(child))
    let flags = this.#size
    if (node.prefix !== '') {
      flags |= hasPrefix
      this.#write(Buffer.from(`${node.prefix}\0`, 'latin1'))
    }
    if (offsets.size > 0) {
      flags |= hasChildren
      this.#children(offsets)
    }
    if (node.values.length > 0) {
      flags |= hasValues
      this.#write(word(node.values.length))
      for (const { priority, text } of node.values) this.#write(word(priority), Buffer.from(`${text}\0`, 'latin1'))
    }
    return flags >>> 0
  }

  #children(offsets: ReadonlyMap<number, number>): void {
    const first = Math.min(...offsets.keys())
    const last = Math.max(...offsets.keys())
    this.#write(Buffer.from([first, last]))
    for (let character = first; character <= last; character += 1) this.#write(word(offsets.get(character) ?? 0))
  }

  #write(...parts: Buffer[]): void {
    for (const part of parts) {
      this.#parts.push(part)
      this.#size += part.length
    }
  }
}

/** Writes an index, byte for byte as depmod would. */
export function buildIndex(entries: readonly IndexEntry[]): Buffer {
  const writer = new IndexWriter()
  if (entries.length === 0) return writer.finish(headerBytes)
  const root = buildNode(entries)
  // depmod keeps the root without a prefix, whatever its entries have in common.
  const top = root.prefix === '' ? root : buildTop(root)
  return writer.finish(writer.node(top))
}

function buildTop(root: Node): Node {
  const child = { ...root, prefix: root.prefix.slice(1) }
  return { prefix: '', values: [], children: new Map([[root.prefix.charCodeAt(0), child]]) }
}
