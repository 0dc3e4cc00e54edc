/**
 * The text of a file in `/etc/modprobe.d` for a `modulesLoadingOrder` (upstream: worker, soft dependencies). The first module
 * is loaded last: `[a, b, c]` gives `softdep a pre: b` and `softdep b pre: c`, a line each. Fewer than two names give no text.
 */
export function formatSoftdeps(modulesLoadingOrder: readonly string[]): string {
  return modulesLoadingOrder
    .slice(1)
    .map((dependency, index) => `softdep ${modulesLoadingOrder[index]} pre: ${dependency}\n`)
    .join('')
}

/** What modprobe loads before and after a module and removes with it, whether or not that works: names of modules, or aliases, as written. */
export interface SoftDependencies {
  pre: string[]
  post: string[]
}

/** One line of `modules.softdep`. */
export interface Softdep extends SoftDependencies {
  name: string
}

/** Parses the lines of `modules.softdep`; other lines are left out. */
export function parseSoftdeps(text: string): Softdep[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, name, ...words] = line.trim().split(/\s+/)
    return keyword === 'softdep' && name !== undefined ? [{ name, ...parseSoftdep(words) }] : []
  })
}

/** Parses what follows `softdep NAME`; words before the first `pre:` or `post:` are left out. */
export function parseSoftdep(words: readonly string[]): SoftDependencies {
  const softdep: SoftDependencies = { pre: [], post: [] }
  let list: string[] | undefined
  for (const word of words) {
    if (word === 'pre:') list = softdep.pre
    else if (word === 'post:') list = softdep.post
    else list?.push(word)
  }
  return softdep
}

/** The line of a soft dependency, with its newline. */
export function formatSoftdep({ name, pre, post }: Softdep): string {
  const lists = [...(pre.length > 0 ? ['pre:', ...pre] : []), ...(post.length > 0 ? ['post:', ...post] : [])]
  return `${['softdep', name, ...lists].join(' ')}\n`
}
