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

/** Kills a process and all that come from it this instant, as the end of a container does. */
export async function killTree(root: number): Promise<void> {
  for (const pid of await listTree(root))
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
}
