import {
  closeSync,
  constants,
  linkSync,
  mkdirSync,
  openSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { KmmError } from '../errors/error.ts'
import { formatRelativeLink } from './extract-paths.ts'
import type { TarEntrySink } from './tar-reader.ts'

/** Where a symbolic link leads: a path below the destination, an absolute path of the host, or nowhere (not created). */
export type LinkTarget = { kind: 'inside'; path: string } | { kind: 'host'; path: string } | { kind: 'dropped' }

interface DirectoryNode {
  kind: 'directory'
  layer: number
  children: Map<string, TreeNode>
}
type TreeNode = DirectoryNode | { kind: 'file'; layer: number } | { kind: 'link'; layer: number; target: LinkTarget }

const invalid = (message: string): KmmError => new KmmError(message, { code: 'ImageInvalid', fate: 'terminal' })
const createOnly = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW
const splitPath = (path: string): string[] => (path === '' ? [] : path.split('/'))

/**
 * The files that extraction has made below its destination. It keeps its own account of them, so that what a name means
 * is decided by what this code has written and never by following something on disk.
 */
export class ExtractTree {
  readonly #root: string
  readonly #top: DirectoryNode = { kind: 'directory', layer: 0, children: new Map() }
  #entries = 0

  constructor(root: string) {
    this.#root = root
  }

  /** Files, directories and links made so far, those that were replaced since included. */
  get entries(): number {
    return this.#entries
  }

  /** True when there is something at the path, a link that was left out not counted. */
  has(path: string): boolean {
    const node = this.#find(path)
    return node !== undefined && !(node.kind === 'link' && node.target.kind === 'dropped')
  }

  putDirectory(path: string, layer: number): void {
    this.#directory(splitPath(path), layer, 'replace')
  }

  /** Makes a new file and returns where its bytes go. Set-id and sticky bits and foreign write permission are dropped. */
  putFile(path: string, mode: number, layer: number): TarEntrySink & { close(): void } {
    const { parent, name } = this.#makeRoom(path, layer)
    const fd = openSync(join(this.#root, path), createOnly, (mode & 0o755) | 0o400)
    parent.children.set(name, { kind: 'file', layer })
    let open = true
    const close = (): void => {
      if (open) closeSync(fd)
      open = false
    }
    return {
      write: (chunk) => writeAll(fd, chunk),
      end: close,
      close,
    }
  }

  putLink(path: string, target: LinkTarget, layer: number): void {
    const { parent, name } = this.#makeRoom(path, layer)
    if (target.kind === 'inside') symlinkSync(formatRelativeLink(path, target.path), join(this.#root, path))
    if (target.kind === 'host') symlinkSync(target.path, join(this.#root, path))
    parent.children.set(name, { kind: 'link', layer, target })
  }

  putHardLink(path: string, target: string, layer: number): void {
    const node = this.#find(target)
    if (node === undefined || node.kind === 'directory') {
      throw invalid(`it is a hard link to ${JSON.stringify(target)}, which is no file that was extracted before it`)
    }
    if (path === target) return
    if (node.kind === 'link') {
      this.putLink(path, node.target, layer)
      return
    }
    const { parent, name } = this.#makeRoom(path, layer)
    // Making room may have removed the target, when the new name is one of its directories.
    if (this.#find(target) !== node) throw invalid(`it is a hard link that replaces its own target`)
    linkSync(join(this.#root, target), join(this.#root, path))
    parent.children.set(name, { kind: 'file', layer })
  }

  /** Removes what layers before `layer` have put at the path and below it: a whiteout. */
  removeLower(path: string, layer: number): void {
    const parts = splitPath(path)
    const name = parts.pop()
    if (name === undefined) this.clearLower('', layer)
    const parent = this.#find(parts.join('/'))
    if (name === undefined || parent?.kind !== 'directory') return
    this.#removeBelow(parent, name, parts.join('/'), layer)
  }

  /** The same for everything below the path, but not for the directory itself: an opaque whiteout. */
  clearLower(path: string, layer: number): void {
    const node = this.#find(path)
    if (node?.kind !== 'directory') return
    for (const name of node.children.keys()) this.#removeBelow(node, name, path, layer)
  }

  #find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.#top
    for (const part of splitPath(path)) {
      if (node?.kind !== 'directory') return undefined
      node = node.children.get(part)
    }
    return node
  }

  /** The directory at the path, made with its parents where missing. A link in the way is never followed. */
  #directory(parts: readonly string[], layer: number, last: 'replace' | 'keep'): DirectoryNode {
    let node = this.#top
    parts.forEach((part, at) => {
      const path = parts.slice(0, at + 1).join('/')
      const isLast = at === parts.length - 1
      const existing = node.children.get(part)
      if (existing?.kind === 'directory') {
        if (isLast && last === 'replace') existing.layer = layer
        node = existing
        return
      }
      if (existing) {
        if (!(isLast && last === 'replace')) throw writeThrough(existing, path)
        this.#remove(node, part, path)
      }
      node = this.#addDirectory(node, part, path, layer)
    })
    return node
  }

  #addDirectory(parent: DirectoryNode, name: string, path: string, layer: number): DirectoryNode {
    mkdirSync(join(this.#root, path), { mode: 0o755 })
    const made: DirectoryNode = { kind: 'directory', layer, children: new Map() }
    parent.children.set(name, made)
    this.#entries += 1
    return made
  }

  #makeRoom(path: string, layer: number): { parent: DirectoryNode; name: string } {
    const parts = splitPath(path)
    const name = parts.pop() ?? ''
    const parent = this.#directory(parts, layer, 'keep')
    if (parent.children.has(name)) this.#remove(parent, name, path)
    this.#entries += 1
    return { parent, name }
  }

  #remove(parent: DirectoryNode, name: string, path: string): void {
    this.#removeBelow(parent, name, path.split('/').slice(0, -1).join('/'), Number.POSITIVE_INFINITY)
  }

  #removeBelow(parent: DirectoryNode, name: string, parentPath: string, layer: number): void {
    const node = parent.children.get(name)
    const path = parentPath === '' ? name : `${parentPath}/${name}`
    if (node?.kind === 'directory') {
      for (const child of node.children.keys()) this.#removeBelow(node, child, path, layer)
      if (node.children.size > 0) return
    }
    if (node === undefined || node.layer >= layer) return
    this.#deleteOnDisk(node, path)
    parent.children.delete(name)
  }

  #deleteOnDisk(node: TreeNode, path: string): void {
    const full = join(this.#root, path)
    if (node.kind === 'directory') rmdirSync(full)
    else if (node.kind === 'file' || node.target.kind !== 'dropped') unlinkSync(full)
  }
}

function writeThrough(node: TreeNode, path: string): KmmError {
  return node.kind === 'link'
    ? invalid(`it writes through the link ${JSON.stringify(path)}`)
    : invalid(`it lies below ${JSON.stringify(path)}, which is a file`)
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let done = 0; done < chunk.byteLength; ) done += writeSync(fd, chunk, done)
}
