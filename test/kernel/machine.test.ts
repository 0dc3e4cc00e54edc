import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { provideHeaders, provideKernel } from '../../src/sandbox/qemu/kernels.ts'
import { type Machine, startMachine } from '../../src/sandbox/qemu/machine.ts'
import type { MachineOptions } from '../../src/sandbox/qemu/machine-options.ts'
import { testMachines } from './machines.ts'

const release = '6.1.0-56-amd64'
const started: Machine[] = []

beforeAll(async () => {
  // The tests below measure nothing that is fetched.
  await provideKernel(release, testMachines())
})

afterEach(async () => {
  await Promise.all(started.splice(0).map((machine) => machine.stop()))
})

const options = (name: string, more: Partial<MachineOptions> = {}): MachineOptions => ({
  ...testMachines(),
  name,
  release,
  agentProgram: 'dist/guest-agent.js',
  ...more,
})

async function start(name: string, more?: Partial<MachineOptions>): Promise<Machine> {
  const machine = await startMachine(options(name, more))
  started.push(machine)
  return machine
}

const bootIdOf = async (machine: Machine): Promise<string> =>
  (await machine.runChecked(['cat', '/proc/sys/kernel/random/boot_id'])).trim()

test('machines that go on from one saved machine run at the same time, and each is another one', async () => {
  const saved = { key: 'test' }
  const [first, second] = await Promise.all([start('first', { saved }), start('second', { saved })])
  expect(await bootIdOf(first)).toBe(first.bootId)
  expect(await bootIdOf(second)).toBe(second.bootId)
  expect(first.bootId).not.toBe(second.bootId)
  const random = ['head', '-c', '32', '/dev/urandom']
  expect((await first.run(random)).stdout).not.toEqual((await second.run(random)).stdout)
  const guestMs = Number(await first.runChecked(['date', '+%s'])) * 1_000
  expect(Math.abs(guestMs - Date.now())).toBeLessThan(10_000)
  await first.writeFile('/var/lib/mine', 'first')
  await expect(second.readFile('/var/lib/mine')).rejects.toMatchObject({ code: 'NotFound' })
})

test('a reboot and a power cut empty the kernel, keep the disk, and give the kernel a boot ID of its own', async () => {
  const machine = await start('reboots', { saved: { key: 'test' } })
  await machine.runChecked(['modprobe', 'dummy'])
  const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
  await machine.writeFile('/var/lib/kmm/cache/x', content, 0o600)
  const boots = [machine.bootId]
  for (const how of ['orderly', 'kill'] as const) {
    if (how === 'kill') await machine.runChecked(['sync'])
    await machine.reboot({ how })
    boots.push(machine.bootId)
    expect(await machine.readFile('/var/lib/kmm/cache/x')).toEqual(content)
    expect((await machine.modules()).map(({ name }) => name)).not.toContain('dummy')
    expect(await bootIdOf(machine)).toBe(machine.bootId)
  }
  expect(new Set(boots).size).toBe(3)
})

test('the headers of a kernel find each other in the cache, with the program that signs modules', async () => {
  const { build, signFile } = await provideHeaders(release, testMachines())
  const makefile = await readFile(join(build, 'Makefile'), 'utf8')
  const included = /^include (.+)$/m.exec(makefile)?.[1] ?? ''
  expect(await readFile(included, 'utf8')).toContain('VERSION = 6')
  expect(await readFile(join(build, 'Module.symvers'), 'utf8')).toContain('\tmodule_layout\t')
  expect(spawnSync(signFile, []).stderr.toString()).toContain('sign-file [-dp] <hash algo> <key> <x509> <module>')
})

test('a kernel that Debian does not have is told with what to look for', async () => {
  const started = startMachine({ ...options('none'), release: '6.1.0-1-none' })
  await expect(started).rejects.toThrow(
    /package linux-image-6\.1\.0-1-none could not be downloaded: .*apt-cache policy/s,
  )
})

test('programs in a machine are stopped after their time, with the machine going on', async () => {
  const machine = await start('times', { saved: { key: 'test' } })
  const slow = machine.run(['sh', '-c', 'echo waiting >&2; sleep 1000'], { timeoutMs: 2_000 })
  await expect(slow).rejects.toThrow(/did not end within 2 s; last words:\nwaiting/)
  await expect(machine.runChecked(['false'])).rejects.toThrow('false ended with status 1: it printed nothing')
  await expect(machine.run(['/no/such'])).rejects.toMatchObject({ code: 'NotFound' })
  expect((await machine.run(['cat'], { stdin: Buffer.from([0, 255, 10]) })).stdout).toEqual(Buffer.from([0, 255, 10]))
})

test('a machine that does not boot tells what its console said last, and leaves no QEMU', async () => {
  const booting = start('broken', { kernelParameters: ['rdinit=/nothing', 'root=/dev/none'], bootTimeoutMs: 120_000 })
  await expect(booting).rejects.toThrow(/machine broken with kernel 6\.1\.0-56-amd64 did not boot: .*\n.*Kernel panic/s)
  const impatient = start('impatient', { bootTimeoutMs: 300 })
  await expect(impatient).rejects.toThrow('it took longer than 0.3 s')
  expect(await findQemus(process.pid)).toEqual([])
})

test('a saved machine that is damaged is made anew', async () => {
  const cache = await mkdtemp(join(tmpdir(), 'kmm-cache-'))
  try {
    // Kernels and the base come from the user's cache.
    const { cache: full } = testMachines()
    await linkFolders(full, cache, ['kernels', 'guest-base'])
    const said: string[] = []
    const more = { cache, saved: { key: 'damaged' }, progress: (line: string) => said.push(line) }
    await (await start('whole', more)).stop()
    const [folder = ''] = await readdir(join(cache, 'machines'))
    await truncate(join(cache, 'machines', folder, 'state'), 1_000_000)
    const again = await start('again', more)
    expect((await again.runChecked(['uname', '-r'])).trim()).toBe(release)
    expect(said.join('\n')).toContain('cannot be used, it is made anew')
  } finally {
    await rm(cache, { recursive: true, force: true })
  }
})

test('QEMU ends with the process that has started it, however that ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kmm-parent-'))
  const program = join(folder, 'parent.mts')
  const wanted = options('orphan', { agentProgram: resolve('dist/guest-agent.js'), saved: { key: 'test' } })
  const { cache, path, name, agentProgram, saved } = wanted
  await writeFile(
    program,
    `import { startMachine } from ${JSON.stringify(resolve('src/sandbox/qemu/machine.ts'))}
const machine = await startMachine(${JSON.stringify({ cache, path, name, release, agentProgram, saved })})
console.log(machine.folder)
setInterval(() => undefined, 1_000)
`,
  )
  const parent = spawn(process.execPath, ['--import', resolve('node_modules/tsx/dist/esm/index.mjs'), program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const [machineFolder] = (await once(parent.stdout, 'data')) as [Buffer]
    const qemus = await findQemus(parent.pid ?? 0)
    expect(qemus).toHaveLength(1)
    await kill(parent)
    await expect.poll(() => isAlive(qemus[0] ?? 0), { timeout: 10_000 }).toBe(false)
    await rm(machineFolder.toString().trim(), { recursive: true, force: true })
  } finally {
    await kill(parent)
    await rm(folder, { recursive: true, force: true })
  }
})

async function linkFolders(from: string, to: string, names: readonly string[]): Promise<void> {
  for (const name of names) await symlink(join(from, name), join(to, name))
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'close')
  child.kill('SIGKILL')
  await ended
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

/** The QEMU processes that a process has started. */
async function findQemus(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
      const isOurs = status.includes('Name:\tqemu-system-x86') && status.includes(`PPid:\t${parent}\n`)
      return isOurs ? [Number(pid)] : []
    }),
  )
  return found.flat()
}
