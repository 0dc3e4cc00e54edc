import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KernelStore } from './store.ts'
import { VirtualKernel } from './virtual-kernel.ts'

let nodeRoot = ''
let kernel: VirtualKernel
beforeEach(() => {
  nodeRoot = mkdtempSync(join(tmpdir(), 'kmm-kernel-'))
  kernel = new VirtualKernel({ nodeRoot, release: '6.1.0-55-amd64', bootId: 'first' })
})
afterEach(() => rmSync(nodeRoot, { recursive: true, force: true }))

const read = (path: string): string => readFileSync(join(nodeRoot, path), 'utf8')

it('shows its boot, its release and an empty firmware path', () => {
  expect(read('proc/sys/kernel/random/boot_id')).toBe('first\n')
  expect(read('proc/sys/kernel/osrelease')).toBe('6.1.0-55-amd64\n')
  expect(read('sys/module/firmware_class/parameters/path')).toBe('\n')
})

it('boots into another kernel with nothing loaded, a new boot ID and the disk as it was', () => {
  kernel.insertInTree('intree_a', { srcversion: 'A' })
  kernel.setFirmwarePath('/lib/firmware')
  kernel.reboot('6.1.0-56-amd64')
  expect([kernel.release, kernel.loadedModules(), kernel.firmwarePath()]).toEqual(['6.1.0-56-amd64', [], ''])
  expect(kernel.bootId).not.toBe('first')
  expect(read('proc/sys/kernel/random/boot_id')).toBe(`${kernel.bootId}\n`)
  expect(existsSync(join(nodeRoot, 'sys/module/intree_a'))).toBe(false)
  expect(read('lib/modules/6.1.0-55-amd64/modules.dep')).toBe('kernel/drivers/misc/intree_a.ko:\n')
  expect(read('lib/modules/6.1.0-56-amd64/modules.dep')).toBe('')
})

it('counts insertions over all boots, and not twice what is there already', () => {
  kernel.insertInTree('intree-a')
  kernel.insertInTree('intree-a')
  kernel.reboot()
  kernel.insertInTree('intree-a')
  expect([kernel.insertions('intree_a'), kernel.removals('intree_a')]).toEqual([2, 0])
  expect(kernel.history.map(({ bootId }) => bootId)).toEqual(['first', kernel.bootId])
})

it('refuses to make busy what is not loaded', () => {
  expect(() => kernel.setInUse('nothing', 1)).toThrow('nothing is not loaded on this node')
})

it('takes over the lock of a process that was killed', async () => {
  const child = spawn(process.execPath, ['-e', ''])
  const dead = child.pid
  await new Promise((resolve) => child.once('exit', resolve))
  writeFileSync(join(nodeRoot, 'kernel/lock'), String(dead))
  kernel.setEnforce(true)
  expect(new KernelStore(nodeRoot).read().enforceSignatures).toBe(true)
})

it('loses no change when several processes write at once', async () => {
  const program = join(nodeRoot, 'write.mjs')
  const store = new URL('./store.ts', import.meta.url).pathname
  writeFileSync(
    program,
    `import { KernelStore } from ${JSON.stringify(store)}
     const store = new KernelStore(${JSON.stringify(nodeRoot)})
     for (let i = 0; i < 30; i++) store.update((state) => { state.missingSymbols.push(process.argv[2] + i) })`,
  )
  const runs = ['a', 'b', 'c'].map(
    (name) =>
      new Promise((resolve) =>
        spawn('node_modules/.bin/tsx', [program, name], { stdio: 'inherit' }).once('exit', resolve),
      ),
  )
  expect(await Promise.all(runs)).toEqual([0, 0, 0])
  expect(new Set(new KernelStore(nodeRoot).read().missingSymbols).size).toBe(90)
})
