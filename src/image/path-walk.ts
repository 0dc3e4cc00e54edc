import type { FileView } from './file-view.ts'

const mostHops = 40
/** Of a path with the links that it holds: the kernel's own limit for one path is 2,048. */
const mostNames = 2048

/** A walk from an image's root along a path, through the links on the way, never out of the image. */
export class PathWalk {
  readonly #view: FileView
  readonly #done: string[] = []
  #todo: string[]
  #hops = 0

  constructor(view: FileView, path: string) {
    this.#view = view
    this.#todo = splitPath(path)
  }

  /** Where the walk is. */
  get place(): string {
    return this.#done.join('/')
  }

  /** Where the rest of the path leads, if no link comes any more. */
  get destination(): string {
    return [...this.#done, ...this.#todo].join('/')
  }

  /** Goes on by one name: into it, or by way of the link that it is; `circle` when there are too many links, or too long ones. */
  step(): 'entered' | 'turned' | 'end' | 'circle' {
    const part = this.#todo.shift()
    if (part === undefined) return 'end'
    if (part === '..') {
      // Above the root is the root.
      this.#done.pop()
      return 'turned'
    }
    this.#done.push(part)
    const node = this.#view.get(this.place)
    if (node?.type !== 'symlink') return 'entered'
    this.#hops += 1
    const { linkName } = node.entry
    const names = splitPath(linkName)
    if (this.#hops > mostHops || names.length + this.#todo.length > mostNames) return 'circle'
    this.#done.pop()
    if (linkName.startsWith('/')) this.#done.length = 0
    this.#todo = [...names, ...this.#todo]
    return 'turned'
  }
}

const splitPath = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')
