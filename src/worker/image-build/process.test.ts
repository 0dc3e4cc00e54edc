import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { runProgram } from './process.ts'

interface Run {
  script: string
  signal?: AbortSignal
  log?: (line: string) => void
}

function run({ script, signal = new AbortController().signal, log = () => undefined }: Run) {
  const context = { program: process.execPath, environment: {}, folder: tmpdir(), log, signal, graceMs: 200 }
  return runProgram(context, ['-e', script])
}

/** What has ended may wait for a while until somebody takes note of it. */
function isAlive(pid: number): boolean {
  const file = `/proc/${pid}/stat`
  return existsSync(file) && !/^\d+ \(.*\) Z/.test(readFileSync(file, 'utf8'))
}

const withChild = `
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'], { stdio: 'inherit' })
  process.on('SIGTERM', () => {})
  console.log('child ' + child.pid)`

describe('a program that builds', () => {
  it('is heard line by line, both its outputs, without control characters', async () => {
    const lines: string[] = []
    const script = 'console.log("one\\u001b[31m two"); console.error("three"); process.exitCode = 7'
    const end = await run({ script, log: (line) => void lines.push(line) })
    expect(end).toMatchObject({ status: 7, startFailure: undefined })
    expect(lines.toSorted()).toEqual(['one [31m two', 'three'])
  })

  it('takes bounded memory, whatever it prints', async () => {
    const script = `
      const block = Buffer.alloc(1 << 20, 'x')
      for (let i = 0; i < 64; i += 1) require('node:fs').writeSync(1, block)
      console.log('\\n' + 'y\\n'.repeat(5000) + 'last')`
    const { lines } = await run({ script })
    expect(lines).toHaveLength(400)
    expect(lines.at(-1)).toBe('last')
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(2001)
  })

  it('is ended with its children when the signal comes, also when they do not want to', async () => {
    const stop = new AbortController()
    let child = 0
    const end = await run({
      script: `${withChild}; setInterval(() => {}, 1000)`,
      signal: stop.signal,
      log: (line) => {
        child = Number(line.split(' ')[1])
        stop.abort()
      },
    })
    expect(end.status).toBeUndefined()
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false)
  })

  it('takes along what it leaves behind', async () => {
    let child = 0
    const log = (line: string): void => void (child = Number(line.split(' ')[1]))
    const end = await run({ script: `${withChild}; setTimeout(() => process.exit(0), 100)`, log })
    expect(end.status).toBe(0)
    await expect.poll(() => isAlive(child), { timeout: 10_000 }).toBe(false)
  })
})
