import { KmmError } from '../errors/error.ts'
import { isModuleFileName } from '../kmod/module-name.ts'
import { isWithin } from '../oci/extract-paths.ts'
import type { FileView } from './file-view.ts'
import { type FileWish, findFixedDirectory } from './file-wish.ts'
import { matchesName } from './glob.ts'
import { PathWalk } from './path-walk.ts'

/** What is known of a path: the file that it leads to, that there is none and why, or nothing before more layers are read. */
export type Finding = { status: 'found'; path: string } | { status: 'missing'; why: string } | { status: 'unknown' }

/** The files that a wish means, or why there are none, or that more layers have to be read. */
export type WishFinding =
  | { status: 'found'; paths: string[] }
  | { status: 'missing'; why: string }
  | { status: 'unknown' }

/**
 * Finds what a wish means in the layers that were read; `isComplete` says that those are all. A path is known as soon as its
 * file was seen: no lower layer can change it. Globs and trees need all layers, unless a newer one hides the lower ones' content.
 */
export function findWish(view: FileView, wish: FileWish, isComplete: boolean): WishFinding {
  if (wish.kind === 'path') {
    const found = followPath(view, wish.path, isComplete)
    return found.status === 'found' ? { status: 'found', paths: [found.path] } : found
  }
  if (!isComplete && !view.isSealed(findFixedDirectory(wish))) return { status: 'unknown' }
  const paths = wish.kind === 'tree' ? listTree(view, wish.path) : expandGlob(view, wish)
  if (paths.length > 0) return { status: 'found', paths }
  return { status: 'missing', why: wish.kind === 'tree' ? 'it holds no kernel module' : 'it matches no kernel module' }
}

/** Walks to a file through the links on the way, as a process in the image would. */
export function followPath(view: FileView, path: string, isComplete: boolean): Finding {
  const walk = new PathWalk(view, path)
  for (;;) {
    if (isFile(view, walk.destination)) return { status: 'found', path: walk.destination }
    const step = walk.step()
    if (step === 'end') return { status: 'missing', why: 'it is a directory; write the files, or a glob' }
    if (step === 'circle') return { status: 'missing', why: 'the links on the way lead in a circle' }
    const problem = step === 'entered' ? findStop(view, walk.place, isComplete) : undefined
    if (problem !== undefined) return problem
  }
}

const isFile = (view: FileView, path: string): boolean => ['file', 'link'].includes(view.get(path)?.type ?? '')

/** Why a walk cannot go on below a path that is no link; undefined when it can. */
function findStop(view: FileView, path: string, isComplete: boolean): Finding | undefined {
  const node = view.get(path)
  if (node?.type === 'directory') return undefined
  if (node !== undefined) return { status: 'missing', why: `/${path} is no directory` }
  if (isComplete && view.listNames(path).size > 0) return undefined
  if (isComplete || view.isGone(path)) return { status: 'missing', why: `the image has no /${path}` }
  return { status: 'unknown' }
}

function listTree(view: FileView, root: string): string[] {
  const real = followDirectory(view, root)
  if (real === undefined) return []
  return [...view.list()]
    .filter(([path, node]) => isWithin(real, path) && isModuleFileName(path) && ['file', 'link'].includes(node.type))
    .map(([path]) => path)
    .toSorted()
}

/** Names that a glob is compared with. Links that lead up make it match without end, as in a shell. */
const mostComparisons = 100_000

function expandGlob(view: FileView, { parts, text }: Extract<FileWish, { kind: 'glob' }>): string[] {
  let [candidates, comparisons] = [[''], 0]
  for (const part of parts) {
    const join = (path: string, name: string): string => (path === '' ? name : `${path}/${name}`)
    if (part.isPlain) candidates = candidates.map((path) => join(path, part.text))
    else
      candidates = candidates.flatMap((path) => {
        const real = followDirectory(view, path)
        const names = real === undefined ? [] : [...view.listNames(real)]
        comparisons += names.length
        if (comparisons > mostComparisons)
          throw new KmmError(`${text} has to be compared with too many paths of the image: write a narrower glob`, {
            code: 'LimitExceeded',
            fate: 'terminal',
          })
        return names.filter((name) => matchesName(part, name)).map((name) => join(path, name))
      })
  }
  const found = candidates
    .filter((path) => isModuleFileName(path))
    .map((path) => followPath(view, path, true))
    .flatMap((finding) => (finding.status === 'found' ? finding.path : []))
  return [...new Set(found)].toSorted()
}

/** Where a directory really is; undefined when there is none. */
export function followDirectory(view: FileView, path: string): string | undefined {
  const walk = new PathWalk(view, path)
  for (;;) {
    const step = walk.step()
    if (step === 'end') return walk.place
    const node = view.get(walk.place)
    if (step === 'circle' || (step === 'entered' && node !== undefined && node.type !== 'directory')) return undefined
  }
}
