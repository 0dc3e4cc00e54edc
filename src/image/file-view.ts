import { KmmError } from '../errors/error.ts'
import type { TarEntry } from '../oci/tar-reader.ts'

/** What an image has at a path, as far as it matters for finding modules. */
export interface FileNode {
  /** Index of the layer that holds it, the lowest is 0. */
  layer: number
  type: 'file' | 'directory' | 'symlink' | 'link' | 'other'
  entry: Pick<TarEntry, 'mode' | 'owner' | 'modifiedAt' | 'pax' | 'linkName' | 'size'>
}

/** A distribution's base image has some 10,000 directories and links. */
const mostNodes = 200_000
/** Names, links and attributes of all of them, in characters. */
const mostText = 64 * 1024 * 1024
/** No tool writes one layer that has a path first as a directory and then as something else. */
const mostReplacedDirectories = 100

const exceeded = (what: string): KmmError =>
  new KmmError(`the image ${what}: use a smaller base`, { code: 'LimitExceeded', fate: 'terminal' })

/**
 * The files of an image as a container sees them, learnt from its layers one by one, the newest first: what a newer layer
 * has, replaces or hides stands. Paths are from the image's root, without a slash before them.
 */
export class FileView {
  readonly #nodes = new Map<string, FileNode>()
  /** What is in no lower layer any more, with all below it; and directories whose lower content is hidden. */
  readonly #closed = new Set<string>()
  readonly #opaque = new Set<string>()
  /** The same of the layer that is being read: it holds for the layers below that one only. */
  #whiteouts = new Set<string>()
  #files = new Set<string>()
  #hiding = new Set<string>()
  #children: Map<string, Set<string>> | undefined
  #text = 0
  #replacedDirectories = 0

  /** Ends one layer: what it hides is hidden from now on. */
  endLayer(): void {
    for (const path of this.#whiteouts) this.#closed.add(path)
    for (const path of this.#files) this.#closed.add(path)
    for (const path of this.#hiding) this.#opaque.add(path)
    this.#whiteouts = new Set()
    this.#files = new Set()
    this.#hiding = new Set()
    this.#children = undefined
  }

  /** Takes what the layer at hand has at a path; false when a newer layer hides it. */
  add(path: string, node: FileNode): boolean {
    const known = this.#nodes.get(path)
    if (this.isGone(path) || (known !== undefined && known.layer !== node.layer)) return false
    if (node.type === 'directory') this.#files.delete(path)
    else this.#files.add(path)
    if (known?.type === 'directory' && node.type !== 'directory') this.#dropBelow(path)
    this.#nodes.set(path, node)
    if (this.#nodes.size > mostNodes) throw exceeded(`holds more than ${mostNodes} directories, links and modules`)
    this.#text += path.length + countText(node)
    if (this.#text > mostText) throw exceeded('holds directories and links with too long names and attributes')
    return true
  }

  /** Hides what lower layers have at the path and below it. */
  hide(path: string): void {
    this.#whiteouts.add(path)
    this.#countHidden(path)
  }

  /** Hides what lower layers have below the path. */
  hideContent(path: string): void {
    this.#hiding.add(path)
    this.#countHidden(path)
  }

  get(path: string): FileNode | undefined {
    return this.#nodes.get(path)
  }

  /** True when no layer that is still to be read can have anything at the path. */
  isGone(path: string): boolean {
    if (this.#closed.size + this.#opaque.size === 0) return false
    return (
      listAncestors(path).some((above) => this.#closed.has(above) || this.#opaque.has(above)) || this.#closed.has(path)
    )
  }

  /** True when no layer that is still to be read can have anything below the path. */
  isSealed(path: string): boolean {
    return this.isGone(path) || this.#opaque.has(path)
  }

  /** The names in a directory. */
  listNames(path: string): ReadonlySet<string> {
    this.#children ??= this.#collectChildren()
    return this.#children.get(path) ?? new Set()
  }

  /** All paths with what is there. */
  list(): IterableIterator<[string, FileNode]> {
    return this.#nodes.entries()
  }

  #countHidden(path: string): void {
    this.#text += path.length
    if (this.#text > mostText) throw exceeded('hides files with too long names')
  }

  #dropBelow(path: string): void {
    this.#replacedDirectories += 1
    if (this.#replacedDirectories > mostReplacedDirectories)
      throw exceeded(`replaces more than ${mostReplacedDirectories} directories within a layer`)
    for (const other of this.#nodes.keys()) if (other.startsWith(`${path}/`)) this.#nodes.delete(other)
  }

  #collectChildren(): Map<string, Set<string>> {
    const children = new Map<string, Set<string>>()
    for (const path of this.#nodes.keys()) {
      // Directories that no archive names are there nevertheless, when something is in them.
      for (const each of [...listAncestors(path).slice(1), path]) {
        const slash = each.lastIndexOf('/')
        const directory = slash < 0 ? '' : each.slice(0, slash)
        const names = children.get(directory) ?? new Set<string>()
        children.set(directory, names.add(each.slice(slash + 1)))
      }
    }
    return children
  }
}

/** What is kept of an entry besides its path and some numbers. */
function countText({ entry }: FileNode): number {
  return Object.entries(entry.pax).reduce((sum, [key, value]) => sum + key.length + value.length, entry.linkName.length)
}

/** The directories above a path, the root (the empty path) first. */
export function listAncestors(path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, at) => parts.slice(0, at).join('/'))
}
