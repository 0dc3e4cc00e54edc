import { KmmError } from '../errors/error.ts'

const invalid = (message: string): KmmError => new KmmError(message, { code: 'ImageInvalid', fate: 'terminal' })

/** Names longer than this are refused; the kernel's own limit for a path is 4,096. */
export const maxPathBytes = 1024
const maxLinkHops = 40

/**
 * Turns a name from an archive, or a directory from a Module, into a path relative to the image's root: `./opt//x/` and
 * `/opt/x` are both `opt/x`, the root is the empty path. `..` is refused: no honest archive holds it.
 */
export function normaliseImagePath(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..')) throw invalid('its name contains "..", by which an archive leaves its directory')
  if (name.includes('\0')) throw invalid('its name contains a NUL character')
  return parts.join('/')
}

/** True when `path` is `tree` or lies below it. Both are image paths; the empty path is the root. */
export function isWithin(tree: string, path: string): boolean {
  return tree === '' || path === tree || path.startsWith(`${tree}/`)
}

/** Where a symbolic link at `path` leads, as a path from the image's root; undefined when it climbs above the root. */
export function resolveLinkTarget(path: string, target: string): string | undefined {
  const parts = target.startsWith('/') ? [] : path.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.pop() === undefined) return undefined
  }
  return parts.join('/')
}

/** The text of a link at `path` that leads to `target`: up first, then down, so that no chain of links can climb out. */
export function formatRelativeLink(path: string, target: string): string {
  const from = path.split('/').slice(0, -1)
  const to = target === '' ? [] : target.split('/')
  let shared = 0
  while (shared < from.length && shared < to.length && from[shared] === to[shared]) shared += 1
  return [...from.slice(shared).map(() => '..'), ...to.slice(shared)].join('/') || '.'
}

/** A directory that was asked for, and where the image really keeps it when a directory above it is a link. */
export interface WantedTree {
  path: string
  real: string
}

/** The wanted trees resolved through `links`, and every path that was looked at on the way. */
export interface ResolvedTrees {
  trees: WantedTree[]
  visited: ReadonlySet<string>
}

/** Resolves each wanted directory through the links that an image has above it, never leaving the image's root. */
export function resolveTrees(wanted: readonly string[], links: ReadonlyMap<string, string>): ResolvedTrees {
  const visited = new Set<string>()
  const trees = wanted.map((path) => ({ path, real: resolveThroughLinks(path, links, visited) }))
  return { trees, visited }
}

function resolveThroughLinks(path: string, links: ReadonlyMap<string, string>, visited: Set<string>): string {
  let todo = path === '' ? [] : path.split('/')
  let done: string[] = []
  for (let hops = 0; ; ) {
    const part = todo.shift()
    if (part === undefined) return done.join('/')
    const here = [...done, part].join('/')
    visited.add(here)
    const target = links.get(here)
    if (target === undefined) {
      done.push(part)
      continue
    }
    hops += 1
    if (hops > maxLinkHops) throw invalid(`the links above /${path} lead in a circle`)
    // Above the root is the root, as for a process that runs in the image.
    todo = [...(resolveLinkTarget(here, target) ?? '').split('/').filter(Boolean), ...todo]
    done = []
  }
}

/** Where an image path belongs when it lies inside a wanted tree: the path below the destination. */
export function findDestination(trees: readonly WantedTree[], path: string): string | undefined {
  for (const tree of trees) {
    for (const base of [tree.real, tree.path]) {
      if (isWithin(base, path)) return joinPath(tree.path, path.slice(base === '' ? 0 : base.length + 1))
    }
  }
  return undefined
}

const joinPath = (base: string, rest: string): string => [base, rest].filter(Boolean).join('/')

/** Leaves out every tree that lies inside another one of them. */
export function dropNestedTrees(paths: readonly string[]): string[] {
  const unique = [...new Set(paths)]
  return unique.filter((path) => !unique.some((other) => other !== path && isWithin(other, path)))
}
