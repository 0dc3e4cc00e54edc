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

/** One line of `modules.softdep`: what modprobe loads before and after a module and removes with it, whether or not that works. */
export interface Softdep {
  name: string
  /** Names of modules, or aliases, as written. */
  pre: string[]
  post: string[]
}

/** Parses the lines of `modules.softdep`; other lines are left out. */
export function parseSoftdeps(text: string): Softdep[] {
  return text.split('\n').flatMap((line) => {
    const [keyword, name, ...words] = line.trim().split(/\s+/)
    return keyword === 'softdep' && name !== undefined ? [parseSoftdep(name, words)] : []
  })
}

function parseSoftdep(name: string, words: readonly string[]): Softdep {
  const softdep: Softdep = { name, pre: [], post: [] }
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
