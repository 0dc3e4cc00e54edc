import { closeSync, openSync, writeSync } from 'node:fs'
import { join, posix } from 'node:path'
import { KmmError } from '../errors/error.ts'
import { defaultExtractLimits, type ExtractLimits, ExtractMeter } from '../oci/extract-limits.ts'
import { isModuleFileName } from '../kmod/module-name.ts'
import { maxPathBytes, normaliseImagePath } from '../oci/extract-paths.ts'
import type { LayerSource } from '../oci/layer-source.ts'
import { readLayer } from '../oci/read-layer.ts'
import type { TarEntry, TarEntrySink } from '../oci/tar-reader.ts'
import { type FileNode, FileView } from './file-view.ts'
import { type FileWish, isWished } from './file-wish.ts'
import { findWish, type WishFinding } from './find-files.ts'

/** What to look for, and where to keep the files that are found. */
export interface LayerSearchOptions {
  /** The image's layers, the lowest first. */
  layers: readonly LayerSource[]
  wishes: readonly FileWish[]
  spool: Spool
  log: (line: string) => void
  signal: AbortSignal
  limits?: Partial<ExtractLimits>
}

/** What a search has come to. */
export interface LayerSearchResult {
  view: FileView
  findings: { wish: FileWish; finding: WishFinding }[]
  /** How many layers were read, the newest ones. */
  layersRead: number
}

const whiteoutPrefix = '.wh.'
const opaqueMark = '.wh..wh..opq'
/** What a link says is at most this long on Linux. */
const longestLink = 4096
const types: Readonly<Record<string, FileNode['type']>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'directory',
  symlink: 'symlink',
  link: 'link',
}

/** Files of layers that are copied to disk, by layer and path. Close it when nothing is copied any more. */
export class Spool {
  readonly #folder: string
  readonly #files = new Map<string, string>()
  readonly #handles = new Set<number>()

  /** `folder` is empty, and the caller's to remove. */
  constructor(folder: string) {
    this.#folder = folder
  }

  find(layer: number, path: string): string | undefined {
    return this.#files.get(`${layer} ${path}`)
  }

  /** Takes the bytes of a file as they come; of two with one name the later stands, as in the layer. */
  create(layer: number, path: string, meter: ExtractMeter): TarEntrySink {
    const file = this.find(layer, path) ?? join(this.#folder, `file-${this.#files.size}`)
    this.#files.set(`${layer} ${path}`, file)
    meter.checkEntries(this.#files.size)
    const handle = openSync(file, 'w', 0o600)
    this.#handles.add(handle)
    return {
      write(chunk) {
        meter.addBytes(chunk.byteLength)
        for (let at = 0; at < chunk.byteLength; ) at += writeSync(handle, chunk, at)
      },
      end: () => this.#end(handle),
    }
  }

  /** Ends what a failure has left open. */
  close(): void {
    for (const handle of this.#handles) this.#end(handle)
  }

  #end(handle: number): void {
    this.#handles.delete(handle)
    closeSync(handle)
  }
}

/**
 * Reads layers from the newest on until all wishes are known, and copies what they mean to disk on the way. Layers below
 * are not opened: those of a base image seldom are, when files are named by path. A layer is never in memory or on disk whole.
 */
export async function searchLayers(options: LayerSearchOptions): Promise<LayerSearchResult> {
  const { layers, wishes, spool, log } = options
  const view = new FileView()
  const meter = new ExtractMeter({ ...defaultExtractLimits, ...options.limits })
  for (let at = layers.length - 1; at >= 0; at -= 1) {
    const layer = layers[at]
    if (layer === undefined) continue
    log(`Reading layer ${at + 1} of ${layers.length}, ${layer.descriptor.size} bytes.`)
    const position = { number: at + 1, of: layers.length }
    const onEntry = (entry: TarEntry): TarEntrySink | undefined =>
      takeEntry({ view, wishes, spool, meter, layer: at }, entry)
    await readLayer({ layer, position, meter, onEntry, signal: options.signal })
    view.endLayer()
    const findings = wishes.map((wish) => ({ wish, finding: findWish(view, wish, at === 0) }))
    if (findings.every(({ finding }) => finding.status !== 'unknown'))
      return { view, findings, layersRead: layers.length - at }
  }
  const missing = { status: 'missing' as const, why: 'the image has no layer' }
  return { view, findings: wishes.map((wish) => ({ wish, finding: missing })), layersRead: layers.length }
}

interface Search {
  view: FileView
  wishes: readonly FileWish[]
  spool: Spool
  meter: ExtractMeter
  layer: number
}

function takeEntry(search: Search, entry: TarEntry): TarEntrySink | undefined {
  search.meter.addScannedEntry()
  // No file system of a node could hold such an entry, so that no file to sign is behind it.
  if (entry.name.length > maxPathBytes || entry.linkName.length > longestLink) return undefined
  const path = normaliseImagePath(entry.name)
  const slash = path.lastIndexOf('/')
  const [directory, name] = [path.slice(0, Math.max(slash, 0)), path.slice(slash + 1)]
  if (name.startsWith(whiteoutPrefix)) {
    takeWhiteout(search.view, directory, name)
    return undefined
  }
  return path === '' ? undefined : takeNode(search, path, entry)
}

function takeNode(search: Search, path: string, entry: TarEntry): TarEntrySink | undefined {
  const type = types[entry.type ?? ''] ?? 'other'
  const isWanted = type === 'file' && search.wishes.some((wish) => isWished(wish, path))
  if (!isWanted && !isStructure(search.wishes, path, type)) return undefined
  const isVisible = search.view.add(path, { layer: search.layer, type, entry: keepEntry(entry) })
  if (!isVisible || !isWanted) return undefined
  checkSparse(entry)
  return search.spool.create(search.layer, path, search.meter)
}

/**
 * Of plain files that nobody has asked for, only those are remembered that links on the way may lead to, modules and files of the
 * same name, and what stands where a wish needs a directory.
 */
function isStructure(wishes: readonly FileWish[], path: string, type: FileNode['type']): boolean {
  if (type !== 'file' && type !== 'other') return true
  if (isModuleFileName(path)) return true
  return wishes.some((wish) => {
    if (wish.kind !== 'glob')
      return (
        wish.path === path || wish.path.startsWith(`${path}/`) || posix.basename(wish.path) === posix.basename(path)
      )
    const names = path.split('/')
    return names.every((each, at) => wish.parts[at]?.isPlain === true && wish.parts[at].text === each)
  })
}

function takeWhiteout(view: FileView, directory: string, name: string): void {
  const hidden = name.slice(whiteoutPrefix.length)
  if (name === opaqueMark) view.hideContent(directory)
  else if (hidden === '' || hidden === '.' || hidden === '..')
    throw new KmmError('it is a whiteout that hides no file', { code: 'ImageInvalid', fate: 'terminal' })
  // Other names of this shape are an old union file system's own bookkeeping.
  else if (!hidden.startsWith(whiteoutPrefix)) view.hide(directory === '' ? hidden : `${directory}/${hidden}`)
}

function keepEntry({ mode, owner, modifiedAt, pax, linkName, size }: TarEntry): FileNode['entry'] {
  const attributes = Object.entries(pax).filter(([name]) => name.startsWith('SCHILY.xattr.'))
  return { mode, owner, modifiedAt, linkName, size, pax: Object.fromEntries(attributes) }
}

function checkSparse(entry: TarEntry): void {
  if (!entry.extensions.some((name) => name.startsWith('GNU.sparse.'))) return
  throw new KmmError('it is a sparse file, which no kernel module is; build the image again without sparse files', {
    code: 'ImageInvalid',
    fate: 'terminal',
  })
}

/** Copies files of one layer to disk that the search has not: hard links lead to names that nobody has asked for. */
export async function readFiles(
  options: Pick<LayerSearchOptions, 'layers' | 'spool' | 'signal' | 'limits'>,
  wanted: { layer: number; paths: ReadonlySet<string> },
): Promise<void> {
  const { layers, spool, signal } = options
  const layer = layers[wanted.layer]
  if (layer === undefined) return
  const meter = new ExtractMeter({ ...defaultExtractLimits, ...options.limits })
  await readLayer({
    layer,
    position: { number: wanted.layer + 1, of: layers.length },
    meter,
    signal,
    onEntry: (entry) => {
      meter.addScannedEntry()
      const path = normaliseImagePath(entry.name)
      if (types[entry.type ?? ''] !== 'file' || !wanted.paths.has(path)) return undefined
      checkSparse(entry)
      return spool.create(wanted.layer, path, meter)
    },
  })
}
