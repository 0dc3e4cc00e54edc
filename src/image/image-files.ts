import { KmmError } from '../errors/error.ts'
import { isWithin, normaliseImagePath } from '../oci/extract-paths.ts'
import type { FileNode, FileView } from './file-view.ts'
import { followDirectory } from './find-files.ts'
import { type LayerSearchOptions, type LayerSearchResult, readFiles, searchLayers, Spool } from './layer-search.ts'

/** A file of an image: one content that may have several names. */
export interface ImageFileCopy {
  /** Its name, and those that are hard links to it, from the image's root; the first is the entry that holds its bytes. */
  paths: [string, ...string[]]
  node: FileNode
  /** Where its bytes lie on disk. */
  copy: string
}

/** What is read of an image to find files. */
export interface ImageFiles {
  files: ImageFileCopy[]
  view: FileView
  layersRead: number
}

/** What to find, and an empty folder for the copies, which the caller removes. */
export interface CollectOptions extends Omit<LayerSearchOptions, 'spool'> {
  dirName: string | undefined
  folder: string
}

const mostHardLinks = 40

/**
 * Finds the files that are wished for and copies them to disk. Throws FilesToSignInvalid that names each wish for which the
 * image has nothing, and those that a link leads out of `dirName`; ImageInvalid and LimitExceeded as extraction does.
 */
export async function collectImageFiles(options: CollectOptions): Promise<ImageFiles> {
  const spool = new Spool(options.folder)
  try {
    return await collect({ ...options, spool })
  } finally {
    spool.close()
  }
}

async function collect(options: LayerSearchOptions & Pick<CollectOptions, 'dirName'>): Promise<ImageFiles> {
  const result = await searchLayers(options)
  const paths = listFound(result, normaliseImagePath(options.dirName ?? ''))
  const contents = new Map<string, Content>()
  for (const path of paths) {
    const content = findContent(result.view, path)
    if (content === undefined)
      throw new KmmError(`the hard links of /${path} lead in a circle`, { code: 'ImageInvalid', fate: 'terminal' })
    contents.set(nameContent(content), content)
  }
  await readMissing(options, [...contents.values()])
  const links = listHardLinks(result.view)
  const files = [...contents.values()].map((content) => describeFile(result.view, options.spool, { content, links }))
  return { files, view: result.view, layersRead: result.layersRead }
}

function listFound({ findings, view }: LayerSearchResult, root: string): Set<string> {
  // The directory itself may be a link, such as /bin in most distributions.
  const roots = [root, followDirectory(view, root) ?? root]
  const problems: string[] = []
  const paths = new Set<string>()
  for (const { wish, finding } of findings) {
    if (finding.status !== 'found') {
      problems.push(`${wish.text}: ${finding.status === 'missing' ? finding.why : 'it was not found'}`)
      continue
    }
    for (const path of finding.paths) {
      if (roots.some((each) => isWithin(each, path))) paths.add(path)
      else problems.push(`${wish.text}: a link leads to /${path}, outside of dirName /${root}`)
    }
  }
  if (problems.length === 0) return paths
  throw new KmmError(
    `the image does not have what filesToSign names: ${problems.slice(0, 5).join('; ')}${problems.length > 5 ? ` and ${problems.length - 5} more` : ''}; correct filesToSign or the image`,
    { code: 'FilesToSignInvalid', fate: 'terminal' },
  )
}

/** An entry of a layer that holds the bytes of a file. */
interface Content {
  layer: number
  path: string
}

/** The entry that holds a file's bytes: its own, or that to which a hard link leads; undefined when links lead in a circle. */
function findContent(view: FileView, path: string): Content | undefined {
  const layer = view.get(path)?.layer ?? 0
  let at = path
  for (let hops = 0; hops < mostHardLinks; hops += 1) {
    const node = view.get(at)
    if (node?.type !== 'link' || node.layer !== layer) return { layer, path: at }
    at = normaliseImagePath(node.entry.linkName)
  }
  return undefined
}

async function readMissing(options: LayerSearchOptions, contents: readonly Content[]): Promise<void> {
  const missing = contents.filter(({ layer, path }) => options.spool.find(layer, path) === undefined)
  for (const layer of new Set(missing.map((content) => content.layer))) {
    options.log(`Reading layer ${layer + 1} once more, for files that links lead to.`)
    const paths = missing.filter((content) => content.layer === layer).map(({ path }) => path)
    await readFiles(options, { layer, paths: new Set(paths) })
  }
}

const nameContent = ({ layer, path }: Content): string => `${layer} ${path}`

/** The names of hard links by the content that they lead to. */
function listHardLinks(view: FileView): ReadonlyMap<string, string[]> {
  const links = new Map<string, string[]>()
  for (const [name, { type }] of view.list()) {
    const content = type === 'link' ? findContent(view, name) : undefined
    if (content === undefined) continue
    const key = nameContent(content)
    const names = links.get(key)
    if (names === undefined) links.set(key, [name])
    else names.push(name)
  }
  return links
}

function describeFile(
  view: FileView,
  spool: Spool,
  { content, links }: { content: Content; links: ReadonlyMap<string, string[]> },
): ImageFileCopy {
  const { layer, path } = content
  const copy = spool.find(layer, path)
  const names = (links.get(nameContent(content)) ?? []).toSorted()
  const own = view.get(path)
  const [first, ...others] = own?.layer === layer && own.type === 'file' ? [path, ...names] : names
  const node = first === undefined ? undefined : view.get(first)
  if (copy === undefined || first === undefined || node === undefined)
    throw new KmmError(
      `/${names[0] ?? path} is a hard link to /${path}, which its layer does not hold: build the image again`,
      { code: 'ImageInvalid', fate: 'terminal' },
    )
  return { paths: [first, ...others], node, copy }
}
