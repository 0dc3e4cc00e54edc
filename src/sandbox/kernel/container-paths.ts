import { lstatSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'

/** A container's file system on a virtual node: its root, and the node's, into which its volumes are links. */
export interface ContainerRoot {
  root: string
  nodeRoot: string
}

/** Finds the node of a container by where its `/sys` leads; a node's own root is a container too. */
export function openContainerRoot(root: string): ContainerRoot {
  return { root: realpathSync(root), nodeRoot: dirname(realpathSync(join(root, 'sys'))) }
}

function readLink(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? readlinkSync(path) : undefined
  } catch {
    return undefined
  }
}

interface Step {
  at: string
  rest: readonly string[]
  followed: boolean
}

/** Follows one link: into the node where it stands for a volume, else from the container's root or from where it is. */
function followLink({ root, nodeRoot }: ContainerRoot, link: string, { at, rest }: Omit<Step, 'followed'>): Step {
  if (link.startsWith(nodeRoot + sep)) return { at: link, rest, followed: true }
  return { at: link.startsWith('/') ? root : at, rest: [...link.split('/'), ...rest], followed: true }
}

function step(container: ContainerRoot, at: string, path: readonly string[]): Step {
  const [part = '', ...rest] = path
  if (part === '' || part === '.') return { at, rest, followed: false }
  if (part === '..') return { at: at === container.root ? at : dirname(at), rest, followed: false }
  const link = readLink(join(at, part))
  return link === undefined ? { at: join(at, part), rest, followed: false } : followLink(container, link, { at, rest })
}

/**
 * The real path of a path inside a container. Links are followed as the container's kernel would: an absolute one from
 * the container's root, but for the links that stand for volumes, which lead into the node.
 */
export function resolveInContainer(container: ContainerRoot, path: string): string {
  let { at, rest }: Pick<Step, 'at' | 'rest'> = { at: container.root, rest: path.split('/') }
  let links = 0
  while (rest.length > 0 && links < 40) {
    const next = step(container, at, rest)
    at = next.at
    rest = next.rest
    if (next.followed) links += 1
  }
  return at
}
