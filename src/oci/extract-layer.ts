import { KmmError } from '../errors/error.ts'
import type { ExtractMeter } from './extract-limits.ts'
import {
  findDestination,
  isWithin,
  maxPathBytes,
  normaliseImagePath,
  resolveLinkTarget,
  type ResolvedTrees,
} from './extract-paths.ts'
import type { ExtractTree, LinkTarget } from './extract-tree.ts'
import type { TarEntry, TarEntrySink } from './tar-reader.ts'

/** A symbolic link that was not created because it leads out of what is extracted. */
export interface DroppedLink {
  /** Digest of the layer that holds it. */
  layer: string
  /** Where the link is in the image, and what it says. */
  path: string
  target: string
}

/** One pass over an image: what is looked for, where it goes, and what was learnt about links above the wanted trees. */
export interface ExtractPass {
  resolved: ResolvedTrees
  tree: ExtractTree
  meter: ExtractMeter
  /** Directories of the image that mean the host's kernel modules, and the path by which the worker sees those. */
  hostLinks: { from: readonly string[]; to: string }
  /** Links found above (or in place of) the wanted trees, as the layers so far leave them. */
  linksAbove: Map<string, string>
  droppedLinks: Map<string, DroppedLink>
}

/** A layer's place in its image; layers are numbered from 1. */
export interface LayerPosition {
  number: number
  digest: string
}

const invalid = (message: string): KmmError => new KmmError(message, { code: 'ImageInvalid', fate: 'terminal' })
const whiteoutPrefix = '.wh.'
const opaqueMark = '.wh..wh..opq'

/** Applies one entry of a layer; returns where its bytes go when it is a file that is wanted. */
export function applyEntry(pass: ExtractPass, layer: LayerPosition, entry: TarEntry): TarEntrySink | undefined {
  pass.meter.addScannedEntry()
  const path = normaliseImagePath(entry.name)
  const slash = path.lastIndexOf('/')
  const name = path.slice(slash + 1)
  const directory = slash < 0 ? '' : path.slice(0, slash)
  if (name.startsWith(whiteoutPrefix)) {
    applyWhiteout(pass, layer, directory, name)
    return undefined
  }
  if (isTreeOrAbove(pass, path)) applyAbove(pass, layer, path, entry)
  const destination = findDestination(pass.resolved.trees, path)
  if (destination === undefined || isTreeRoot(pass, path)) return undefined
  if (Buffer.byteLength(path) > maxPathBytes) throw invalid(`its name is longer than ${maxPathBytes} bytes`)
  const sink = putEntry(pass, layer, { entry, path, destination })
  pass.meter.checkEntries(pass.tree.entries)
  return sink
}

const isTreeRoot = (pass: ExtractPass, path: string): boolean =>
  pass.resolved.trees.some((tree) => tree.real === path || tree.path === path)

const isTreeOrAbove = (pass: ExtractPass, path: string): boolean =>
  pass.resolved.visited.has(path) || pass.resolved.trees.some((tree) => isWithin(path, tree.real))

function applyWhiteout(pass: ExtractPass, layer: LayerPosition, directory: string, name: string): void {
  if (name === opaqueMark) {
    hideLower(pass, directory, layer.number, 'content')
    return
  }
  const hidden = name.slice(whiteoutPrefix.length)
  // Other names of this shape are an old union file system's own bookkeeping.
  if (hidden.startsWith(whiteoutPrefix)) return
  if (hidden === '' || hidden === '.' || hidden === '..') throw invalid('it is a whiteout that hides no file')
  hideLower(pass, directory === '' ? hidden : `${directory}/${hidden}`, layer.number, 'all')
}

/** Hides what lower layers hold at the path: in it, above it, or as a link above the wanted trees. */
function hideLower(pass: ExtractPass, path: string, layer: number, what: 'all' | 'content'): void {
  for (const link of pass.linksAbove.keys()) {
    if (isWithin(path, link) && (what === 'all' || link !== path)) pass.linksAbove.delete(link)
  }
  for (const tree of pass.resolved.trees) if (isWithin(path, tree.real)) pass.tree.clearLower(tree.path, layer)
  const destination = findDestination(pass.resolved.trees, path)
  if (destination === undefined || isTreeRoot(pass, path)) return
  if (what === 'all') pass.tree.removeLower(destination, layer)
  else pass.tree.clearLower(destination, layer)
}

/** Takes note of an entry that is a wanted tree itself or a directory above one. */
function applyAbove(pass: ExtractPass, layer: LayerPosition, path: string, entry: TarEntry): void {
  pass.linksAbove.delete(path)
  if (entry.type === 'directory') {
    for (const tree of pass.resolved.trees) if (tree.real === path) pass.tree.putDirectory(tree.path, layer.number)
    return
  }
  // Anything else takes the place of the directory and of all that was in it.
  hideLower(pass, path, Number.POSITIVE_INFINITY, 'all')
  if (entry.type === 'symlink') pass.linksAbove.set(path, entry.linkName)
}

interface Placement {
  entry: TarEntry
  path: string
  destination: string
}

function putEntry(pass: ExtractPass, layer: LayerPosition, place: Placement): TarEntrySink | undefined {
  pass.droppedLinks.delete(place.destination)
  const { entry, destination } = place
  const sparse = entry.extensions.some((name) => name.startsWith('GNU.sparse.'))
  switch (sparse ? undefined : entry.type) {
    case 'directory':
      pass.tree.putDirectory(destination, layer.number)
      return undefined
    case 'file':
    case 'contiguous-file':
      return putFile(pass, layer, place)
    case 'symlink':
      putSymbolicLink(pass, layer, place)
      return undefined
    case 'link':
      pass.tree.putHardLink(destination, findHardLinkTarget(pass, entry.linkName), layer.number)
      return undefined
    default:
      throw invalid(`it is a ${describeType(entry, sparse)}, which has no place among kernel modules and firmware`)
  }
}

function describeType(entry: TarEntry, sparse: boolean): string {
  if (sparse) return 'sparse file'
  return entry.type?.replaceAll('-', ' ') ?? 'file of an unknown kind'
}

function putFile(pass: ExtractPass, layer: LayerPosition, { entry, destination }: Placement): TarEntrySink {
  const file = pass.tree.putFile(destination, entry.mode, layer.number)
  return {
    write(chunk) {
      pass.meter.addBytes(chunk.byteLength)
      file.write(chunk)
    },
    end: () => file.end(),
  }
}

function putSymbolicLink(pass: ExtractPass, layer: LayerPosition, { entry, path, destination }: Placement): void {
  const target = findLinkTarget(pass, path, entry.linkName)
  pass.tree.putLink(destination, target, layer.number)
  if (target.kind !== 'dropped') return
  pass.droppedLinks.set(destination, { layer: layer.digest, path: `/${path}`, target: entry.linkName })
}

function findLinkTarget(pass: ExtractPass, path: string, text: string): LinkTarget {
  const resolved = text === '' ? undefined : resolveLinkTarget(path, text)
  if (resolved === undefined || resolved.includes('\0')) return { kind: 'dropped' }
  const inside = findDestination(pass.resolved.trees, resolved)
  if (inside !== undefined) return { kind: 'inside', path: inside }
  const host = pass.hostLinks.from.find((from) => isWithin(from, resolved))
  if (host === undefined) return { kind: 'dropped' }
  return { kind: 'host', path: `${pass.hostLinks.to}${resolved.slice(host.length)}` }
}

function findHardLinkTarget(pass: ExtractPass, text: string): string {
  if (text.split('/').includes('..'))
    throw invalid(`it is a hard link whose target ${JSON.stringify(text)} contains ".."`)
  const target = findDestination(pass.resolved.trees, normaliseImagePath(text))
  if (target !== undefined) return target
  throw invalid(
    `it is a hard link to ${JSON.stringify(text)}, outside of the directories that are extracted: put a copy there instead`,
  )
}
