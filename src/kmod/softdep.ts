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
