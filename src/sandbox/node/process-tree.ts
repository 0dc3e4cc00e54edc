import { readdir, readFile } from 'node:fs/promises'

/** The parent of a process, from `/proc/<pid>/stat`: `pid (name) state parent …`, where the name may hold anything. */
async function readParent(pid: string): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const parent = /^\d+ \(.*\) \S (\d+) /s.exec(stat)?.[1]
  return parent === undefined ? undefined : Number(parent)
}

/** All processes that come from one, with it. Where there is no `/proc`, it alone is known. */
async function listTree(root: number): Promise<number[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const parents = new Map(await Promise.all(pids.map(async (pid) => [Number(pid), await readParent(pid)] as const)))
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
 * Kills a process and all that come from it this instant, as the end of a container does. They are halted first: who is found
 * later than another could otherwise start something meanwhile that nobody finds any more.
 */
export async function killTree(root: number): Promise<void> {
  const halted = new Set<number>()
  for (let found = [root]; found.length > 0; ) {
    for (const pid of found) {
      send(pid, 'SIGSTOP')
      halted.add(pid)
    }
    found = (await listTree(root)).filter((pid) => !halted.has(pid))
  }
  for (const pid of halted) send(pid, 'SIGKILL')
}
