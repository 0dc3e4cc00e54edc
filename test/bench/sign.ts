/**
 * Times signing: 100 modules of 1 MB against the kernel's `sign-file` in a loop, and a whole sign job of an image of 500 MB
 * against the same job by `buildah`. What this machine does not have is left out of the comparison.
 * `npx tsx test/bench/sign.ts [--json] [--megabytes N] [--sign-file PATH]`
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { buildPrograms } from '../../scripts/programs.ts'
import { signCopy } from '../../src/image/sign-copy.ts'
import { createModuleSigner } from '../../src/kmod/signature-key.ts'
import { type SandboxRegistry, startRegistry } from '../../src/sandbox/registry/registry.ts'
import { readProcessUsage } from './process-usage.ts'

const testdata = 'src/kmod/testdata/signing'
const key = `${testdata}/rsa.key`
const certificate = `${testdata}/rsa.pem`
const example = 'examples/kmod/prebuilt/6.1.0-56-amd64/kmm_demo.ko'
const folderInImage = 'opt/lib/modules/6.1.0-56-amd64/extra'
const names = ['kmm_ci_a.ko', 'kmm_ci_b.ko']

interface Scenario {
  name: string
  seconds: number
  cpuSeconds: number | null
  peakMb: number | null
  against: string
  againstSeconds: number | null
  againstCpuSeconds: number | null
  againstPeakMb: number | null
  ratio: number | null
  /** Of processor time, which other work on the machine changes less. */
  cpuRatio: number | null
  goal: string
}

interface Usage {
  seconds: number
  cpuSeconds: number
  peakMb: number
}

/** Runs a program to its end and notes what it used. */
async function run(program: string, args: readonly string[]): Promise<Usage & { output: string }> {
  const started = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let [output, cpuSeconds, peakMb, ended] = ['', 0, 0, false]
  child.stdout.on('data', (text) => (output += String(text)))
  child.stderr.on('data', (text) => (output += String(text)))
  const status = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve))
  void status.catch(() => undefined).finally(() => (ended = true))
  while (!ended) {
    const usage = readProcessUsage(child.pid ?? 0)
    cpuSeconds = Math.max(cpuSeconds, usage.cpuSeconds ?? 0)
    peakMb = Math.max(peakMb, usage.peakMb ?? 0)
    await sleep(5)
  }
  if ((await status) !== 0) throw new Error(`${program} ${args.join(' ')} failed: ${output}`)
  return { seconds: (performance.now() - started) / 1000, cpuSeconds, peakMb, output: output.trim() }
}

/** Does a job twice and takes the better run. */
async function best(job: () => Promise<Usage>): Promise<Usage> {
  const [first, second] = [await job(), await job()]
  return first.seconds < second.seconds ? first : second
}

function findSignFile(asked: string | undefined): string | undefined {
  if (asked !== undefined) return asked
  const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : [])
  return [
    ...list('/lib/modules').map((release) => `/lib/modules/${release}/build/scripts/sign-file`),
    ...list('/usr/lib')
      .filter((name) => name.startsWith('linux-kbuild-'))
      .map((name) => `/usr/lib/${name}/scripts/sign-file`),
  ].find((path) => existsSync(path))
}

/** A real module with so many bytes behind it that it has the size that is wanted. */
function writeModules(folder: string, count: number, bytes: number): string[] {
  mkdirSync(folder, { recursive: true })
  const module = readFileSync(example)
  return Array.from({ length: count }, (_, index) => {
    const file = join(folder, `module${index}.ko`)
    writeFileSync(file, Buffer.concat([module, randomBytes(bytes - module.length)]))
    return file
  })
}

async function measureModules(folder: string, signFile: string | undefined): Promise<Scenario> {
  const files = writeModules(join(folder, 'ours'), 100, 1_000_000)
  cpSync(join(folder, 'ours'), join(folder, 'theirs'), { recursive: true })
  const signer = createModuleSigner({ key: readFileSync(key), certificate: readFileSync(certificate) })
  const started = performance.now()
  for (const file of files) await signCopy({ paths: [file], copy: file }, signer)
  const seconds = (performance.now() - started) / 1000
  let againstSeconds: number | null = null
  if (signFile !== undefined) {
    const theirs = files.map((file) => file.replace('/ours/', '/theirs/'))
    const before = performance.now()
    for (const file of theirs) execFileSync(signFile, ['sha256', key, certificate, file])
    againstSeconds = (performance.now() - before) / 1000
    for (const [index, file] of files.entries())
      if (!readFileSync(file).equals(readFileSync(theirs[index] ?? ''))) throw new Error(`${file} is signed otherwise`)
  }
  const ratio = againstSeconds === null ? null : againstSeconds / seconds
  const unknown = { cpuSeconds: null, peakMb: null, againstCpuSeconds: null, againstPeakMb: null, cpuRatio: null }
  const compared = { against: 'sign-file in a loop', againstSeconds, ratio }
  return { name: '100 modules of 1 MB', seconds, ...unknown, ...compared, goal: 'faster' }
}

/** An image whose lower layers hold the bytes and whose last one holds two modules. */
async function pushImage(registry: SandboxRegistry, megabytes: number): Promise<string> {
  const layers = 4
  const entries = Array.from({ length: layers }, (_, index) => ({
    entries: [{ name: `usr/share/blob${index}`, content: randomBytes((megabytes * 1_000_000) / layers) }],
    compression: 'gzip' as const,
  }))
  const module = readFileSync(example)
  const modules = names.map((name) => ({ name: `${folderInImage}/${name}`, content: module }))
  const { image } = await registry.push({
    repository: 'kmods/unsigned',
    tag: 'v1',
    layers: [...entries, { entries: modules }],
  })
  return image
}

async function signByWorker(folder: string, image: string, files: readonly string[]): Promise<Usage> {
  const root = join(folder, 'pod')
  for (const path of ['dev', 'tmp', 'run/secrets/kmm-sign/key', 'run/secrets/kmm-sign/cert'])
    mkdirSync(join(root, path), { recursive: true })
  cpSync(key, join(root, 'run/secrets/kmm-sign/key/key'))
  cpSync(certificate, join(root, 'run/secrets/kmm-sign/cert/cert'))
  const to = `${image.split('/')[0]}/kmods/by-kmm:${files.length}`
  const flags = ['--from', image, '--to', to, '--from-insecure', '--to-insecure']
  const wanted = files.flatMap((file) => ['--file', `/${folderInImage}/${file}`])
  const program = ['dist/worker-sandbox.js', '--root', root, 'image', 'sign']
  const { output: _, ...usage } = await run(process.execPath, [...program, ...flags, ...wanted])
  return usage
}

/** The same job with buildah: pull, mount, sign-file, commit, push; a storage of its own, as in a fresh pod. */
async function signByBuildah(folder: string, image: string, signFile: string): Promise<Usage> {
  const storage = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run')]
  const steps: Usage[] = []
  const buildah = async (...args: string[]): Promise<string> => {
    const step = await run('buildah', [...storage, ...args])
    steps.push(step)
    return step.output.split('\n').at(-1) ?? ''
  }
  try {
    const container = await buildah('from', '--quiet', '--tls-verify=false', `docker://${image}`)
    const mount = await buildah('mount', container)
    for (const name of names)
      steps.push(await run(signFile, ['sha256', key, certificate, join(mount, folderInImage, name)]))
    await buildah('umount', container)
    await buildah('commit', '--quiet', container, 'localhost/signed')
    const to = `docker://${image.split('/')[0]}/kmods/by-buildah:v1`
    await buildah('push', '--quiet', '--tls-verify=false', 'localhost/signed', to)
  } finally {
    spawnSync('buildah', [...storage, 'rm', '--all'])
    spawnSync('buildah', [...storage, 'rmi', '--all', '--force'])
  }
  return {
    seconds: steps.reduce((sum, step) => sum + step.seconds, 0),
    cpuSeconds: steps.reduce((sum, step) => sum + step.cpuSeconds, 0),
    peakMb: Math.max(...steps.map((step) => step.peakMb)),
  }
}

async function measureJobs(folder: string, megabytes: number, signFile: string | undefined): Promise<Scenario[]> {
  await buildPrograms()
  const registry = await startRegistry()
  try {
    const image = await pushImage(registry, megabytes)
    const byPath = await best(() => signByWorker(folder, image, names))
    const byGlob = await best(() => signByWorker(folder, image, ['kmm_ci_?.ko']))
    const hasBuildah = spawnSync('buildah', ['--version']).status === 0
    const other =
      hasBuildah && signFile !== undefined ? await best(() => signByBuildah(folder, image, signFile)) : undefined
    const compare = (name: string, usage: Usage, goal: string): Scenario => ({
      name,
      ...usage,
      against: 'buildah',
      againstSeconds: other?.seconds ?? null,
      againstCpuSeconds: other?.cpuSeconds ?? null,
      againstPeakMb: other?.peakMb ?? null,
      ratio: other === undefined ? null : other.seconds / usage.seconds,
      cpuRatio: other === undefined ? null : other.cpuSeconds / usage.cpuSeconds,
      goal,
    })
    return [
      compare(`sign job of a ${megabytes} MB image, two modules by path`, byPath, '10 times faster, under 100 MB'),
      compare(`sign job of a ${megabytes} MB image, two modules by glob`, byGlob, 'none: a glob reads all layers'),
    ]
  } finally {
    await registry.stop()
  }
}

function describe(scenario: Scenario): string {
  const { name, seconds, against, againstSeconds, ratio, cpuRatio, goal } = scenario
  const ours = describeUsage(seconds, scenario.cpuSeconds, scenario.peakMb)
  if (againstSeconds === null || ratio === null) return `${name}: ${ours}; ${against} is not on this machine`
  const theirs = describeUsage(againstSeconds, scenario.againstCpuSeconds, scenario.againstPeakMb)
  const cpu = cpuRatio === null ? '' : `, ${cpuRatio.toFixed(1)} times the processor time`
  return `${name}: ${ours}; ${against} ${theirs}: ${ratio.toFixed(1)} times as long${cpu} (goal: ${goal})`
}

function describeUsage(seconds: number, cpuSeconds: number | null, peakMb: number | null): string {
  const more = cpuSeconds === null || peakMb === null ? '' : ` (${cpuSeconds.toFixed(1)} s of processor, ${peakMb} MB)`
  return `${seconds.toFixed(2)} s${more}`
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    megabytes: { type: 'string', default: '500' },
    'sign-file': { type: 'string' },
  },
})
const folder = mkdtempSync(join(tmpdir(), 'kmm-bench-sign-'))
try {
  const signFile = findSignFile(values['sign-file'])
  const scenarios = [
    await measureModules(folder, signFile),
    ...(await measureJobs(folder, Number(values.megabytes), signFile)),
  ]
  for (const scenario of scenarios) console.log(describe(scenario))
  if (values.json) console.log(JSON.stringify({ scenarios }))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
