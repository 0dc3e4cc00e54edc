import { readdirSync, readFileSync } from 'node:fs'

/** The parent of a process, from `/proc/<pid>/stat`: `pid (name) state parent …`, where the name may hold anything. */
function readParent(pid: string): number | undefined {
  try {
    const parent = /^\d+ \(.*\) \S (\d+) /s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
    return parent === undefined ? undefined : Number(parent)
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

function listProcesses(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

/** All processes that come from one, with it. Where there is no `/proc`, it alone is known. */
function listTree(root: number): number[] {
  const parents = new Map(listProcesses().map((pid) => [Number(pid), readParent(pid)] as const))
  const tree = [root]
  for (const parent of tree) for (const [pid, of] of parents) if (of === parent && !tree.includes(pid)) tree.push(pid)
  return tree
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself.
  }
}

/**
 * Kills a process and all that come from it this instant, as the end of a container does. They are halted first: what one of
 * them starts while the others are looked for would be found by nobody. Waits for nothing, since who is halted may hold a lock.
 */
export function killTree(root: number): void {
  const halted = new Set<number>()
  for (let found = [root]; found.length > 0; ) {
    for (const pid of found) {
      send(pid, 'SIGSTOP')
      halted.add(pid)
    }
    found = listTree(root).filter((pid) => !halted.has(pid))
  }
  for (const pid of halted) send(pid, 'SIGKILL')
}
