import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { killTree } from './process-tree.ts'

/** What a process was started with; nothing of one that has ended, also while nobody has taken note of that. */
function readCommand(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return ''
  }
}

it.runIf(existsSync('/proc/self/cmdline'))('kills also what is started while it looks for processes', async () => {
  // No other run of this test on the machine sleeps as long.
  const sleep = `sleep ${100_000 + (process.pid % 900_000)}`
  const listSleeping = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && readCommand(pid) === sleep)
  const child = spawn('sh', ['-c', `for each in $(seq 300); do ${sleep} & echo; done; wait`])
  await once(child.stdout, 'data')
  try {
    killTree(child.pid ?? 0)
    // What is killed may be seen until the kernel has got round to it.
    await expect.poll(listSleeping, { timeout: 10_000 }).toEqual([])
  } finally {
    for (const pid of listSleeping()) process.kill(pid)
  }
})
