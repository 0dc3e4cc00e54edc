import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { KubernetesBinaries } from '../../src/sandbox/kubernetes/binaries.ts'
import { startControlPlane } from '../../src/sandbox/kubernetes/control-plane.ts'
import { findTestBinaries } from './binaries.ts'
import { tally } from './tally.ts'

let above = ''
let folder = ''
beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), 'kmm-plane-'))
  folder = join(above, 'plane')
})
afterEach(() => rmSync(above, { recursive: true, force: true }))

/** The processes whose command lines name the folder. */
function listProcesses(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  return pids.flatMap((pid) => {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      return line.includes(folder) ? [readlinkSync(`/proc/${pid}/exe`)] : []
    } catch {
      return [] // It has ended meanwhile.
    }
  })
}

/** A program that is not the one it should be. */
async function spoil(command: keyof KubernetesBinaries['paths'], program: string): Promise<KubernetesBinaries> {
  const binaries = await findTestBinaries()
  const path = join(above, command)
  writeFileSync(path, `#!${process.execPath}\n${program}`, { mode: 0o755 })
  return { ...binaries, paths: { ...binaries.paths, [command]: path } }
}

describe('a control plane', () => {
  it('is ready in seconds and leaves nothing behind', async () => {
    const startedMs = performance.now()
    const plane = await startControlPlane({ binaries: await findTestBinaries(), folder })
    const seconds = (performance.now() - startedMs) / 1_000
    process.stdout.write(`the control plane was ready in ${seconds.toFixed(1)} s\n`)
    expect(listProcesses()).toHaveLength(4)
    tally(plane)
    await plane.stop()
    expect(listProcesses()).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('fails with the last words of a server that does not start, and leaves nothing behind', async () => {
    const binaries = await spoil('kube-apiserver', `console.error('no luck today'); process.exit(3)`)
    await expect(startControlPlane({ binaries, folder })).rejects.toThrow(
      /kube-apiserver ended by itself \(exit status 3\); its last words:\nno luck today/,
    )
    expect(listProcesses()).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('tells of a server that ends later', async () => {
    const binaries = await spoil('kube-scheduler', `setTimeout(() => process.exit(4), 500)`)
    const plane = await startControlPlane({ binaries, folder })
    await expect(plane.failed).rejects.toThrow('kube-scheduler ended by itself (exit status 4)')
    await plane.stop()
    expect(listProcesses()).toEqual([])
  })

  it('can be given up while it starts', async () => {
    const giveUp = new AbortController()
    const starting = startControlPlane({ binaries: await findTestBinaries(), folder, signal: giveUp.signal })
    giveUp.abort()
    await expect(starting).rejects.toThrow('the start was interrupted')
    expect(listProcesses()).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('ends with the process that started it, also when that is killed', async () => {
    const argv = ['--import', 'tsx', 'test/control-plane/orphan.ts', folder]
    const parent = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(parent.stdout, 'data')
    expect(listProcesses()).not.toEqual([])
    parent.kill('SIGKILL')
    await vi.waitFor(() => {
      expect(listProcesses()).toEqual([])
      expect(existsSync(folder)).toBe(false)
    }, 10_000)
  })
})
