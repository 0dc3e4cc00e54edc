import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'
import type { ModuleConfig } from '../src/api/node-modules-config.ts'
import { parseWorkerReport, type WorkerReport } from '../src/api/worker-report.ts'
import type { LayerEntry } from '../src/sandbox/registry/types.ts'
import type { Host } from '../src/worker/host.ts'
import { runWorker, type WorkerOptions } from '../src/worker/program.ts'

export const kernel = '6.1.0-56-amd64'
export const modulesPath = `opt/lib/modules/${kernel}`

/** A module as `/sys/module` would show it. */
export interface FakeModule {
  srcversion?: string
  taint?: string
  refcnt?: number
  holders?: string[]
  initstate?: string
}

// Does what the tests need of modprobe and no more: it records its arguments, and adds and removes below /sys/module.
const fakeModprobe = `#!${process.execPath}
const fs = require('fs'), path = require('path')
const root = process.env.KMM_NODE_ROOT, args = process.argv.slice(2)
fs.appendFileSync(root + '/modprobe.log', JSON.stringify({ args, env: Object.keys(process.env).sort() }) + '\\n')
const plan = JSON.parse(fs.readFileSync(root + '/modprobe.json', 'utf8'))
const rule = plan.find((each) => args.join(' ').includes(each.when)) || {}
if (rule.stderr) console.error(rule.stderr)
if (rule.stdout) console.log(rule.stdout)
const names = args.filter((word) => !word.startsWith('-') && !word.startsWith('/') && !word.includes('='))
const folder = (name) => root + '/sys/module/' + name.replaceAll('-', '_')
const tree = args[0].endsWith('d') ? path.join(root, args[1], 'lib/modules', process.env.KMM_KERNEL_RELEASE) : ''
function act() {
  for (const name of rule.gone || []) fs.rmSync(folder(name), { recursive: true, force: true })
  if (rule.status || rule.idle) return
  for (const name of args[0].includes('r') ? names : names.slice(0, 1)) {
    if (args[0].includes('r')) { fs.rmSync(folder(name), { recursive: true, force: true }); continue }
    if (fs.existsSync(folder(name))) continue
    const text = fs.readFileSync(path.join(tree, name.replaceAll('-', '_') + '.ko'), 'latin1')
    fs.mkdirSync(folder(name) + '/holders', { recursive: true })
    const files = { refcnt: '0', taint: 'OE', srcversion: /srcversion=(\\w+)/.exec(text)[1], initstate: 'live' }
    for (const file in files) fs.writeFileSync(folder(name) + '/' + file, files[file] + '\\n')
  }
}
process.once('exit', () => { process.exitCode = rule.status || 0 })
if (rule.waitMs) { fs.writeFileSync(root + '/modprobe.started', ''); setTimeout(act, rule.waitMs) } else act()
`

/** What the fake modprobe does when its command line contains `when`; the first rule that fits counts. */
export interface ModprobeRule {
  when: string
  status?: number
  stdout?: string
  stderr?: string
  waitMs?: number
  /** It ends without having done anything. */
  idle?: boolean
  /** Modules that somebody else removes meanwhile. */
  gone?: string[]
}

/** A directory that looks like a node to the worker, with a fake modprobe. */
export class WorkerNode {
  readonly root = mkdtempSync(join(tmpdir(), 'kmm-node-'))
  readonly logs: string[] = []
  readonly host: Host = {
    root: this.root,
    kernelRelease: kernel,
    bootId: 'boot-1',
    modprobePath: join(this.root, 'modprobe'),
    architecture: 'amd64',
    modprobeEnvironment: { KMM_NODE_ROOT: this.root, KMM_KERNEL_RELEASE: kernel },
  }

  constructor() {
    const folders = ['dev', 'tmp', 'etc/kmm-worker', 'sys/module', 'var/lib/kmm/cache', `lib/modules/${kernel}`]
    for (const folder of folders) mkdirSync(this.path(folder), { recursive: true })
    writeFileSync(this.path('modprobe'), fakeModprobe)
    chmodSync(this.path('modprobe'), 0o755)
    this.planModprobe()
    this.write('etc/kmm-worker/namespace', 'team-a')
    this.write('sys/module/firmware_class/parameters/path', '\n')
  }

  path(path: string): string {
    return join(this.root, path)
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8')
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(this.path(path)), { recursive: true })
    writeFileSync(this.path(path), text)
  }

  planModprobe(...rules: ModprobeRule[]): void {
    this.write('modprobe.json', JSON.stringify(rules))
  }

  /** Puts a module into the kernel behind the worker's back. */
  addModule(name: string, module: FakeModule = {}): void {
    const folder = `sys/module/${name}`
    const files = {
      initstate: module.initstate ?? 'live',
      refcnt: String(module.refcnt ?? 0),
      taint: module.taint ?? '',
      ...(module.srcversion === undefined ? {} : { srcversion: module.srcversion }),
    }
    for (const [file, text] of Object.entries(files)) this.write(`${folder}/${file}`, `${text}\n`)
    for (const holder of module.holders ?? []) this.write(`${folder}/holders/${holder}/x`, '')
  }

  get loaded(): string[] {
    return readdirSync(this.path('sys/module')).filter((name) => existsSync(this.path(`sys/module/${name}/initstate`)))
  }

  /** Empties the kernel, as a reboot does. */
  reboot(): void {
    for (const name of this.loaded) rmSync(this.path(`sys/module/${name}`), { recursive: true })
  }

  /** The argument lists of all calls of modprobe so far. */
  get modprobeCalls(): string[][] {
    if (!existsSync(this.path('modprobe.log'))) return []
    const lines = this.read('modprobe.log').trim().split('\n')
    return lines.map((line) => (JSON.parse(line) as { args: string[] }).args)
  }

  configure(config: Partial<ModuleConfig> & Pick<ModuleConfig, 'containerImage'>): void {
    const whole: ModuleConfig = {
      kernelVersion: kernel,
      insecurePull: false,
      registryTLS: { insecure: true },
      imagePullPolicy: 'IfNotPresent',
      modprobe: { moduleName: 'kmm_demo', dirName: '/opt' },
      ...config,
    }
    this.write('etc/kmm-worker/config.yaml', stringify(whole))
  }

  /** Runs the worker program in this process, and answers its exit status and report. */
  async run(
    action: 'load' | 'unload',
    flags: string[] = [],
    options: Partial<WorkerOptions> = {},
  ): Promise<WorkerReport & { status: number }> {
    const status = await runWorker(['kmod', action, '/etc/kmm-worker/config.yaml', ...flags], {
      host: this.host,
      log: (line) => this.logs.push(line),
      signal: new AbortController().signal,
      registry: { retries: { attempts: 1 } },
      ...options,
    })
    return { ...this.report, status }
  }

  /** The report as the operator would read it. */
  get report(): WorkerReport {
    const report = parseWorkerReport(this.read('dev/termination-log'))
    if (!report) throw new Error('there is no report')
    return report
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true })
  }
}

/** Entries of a layer that holds the example modules, as an image for `kernel` has them. */
export function exampleModules(version: 'prebuilt' | 'prebuilt-v2' = 'prebuilt', release = kernel): LayerEntry[] {
  const folder = `examples/kmod/${version}/${release}`
  return readdirSync(folder).map((name) => ({
    name: `opt/lib/modules/${kernel}/${name}`,
    content: readFileSync(join(folder, name)),
  }))
}

/** The srcversions of the example module `kmm_demo`. */
export const demoVersions = { first: '51C70DE0189E60AD8A75277', second: 'CD21F6846EE46582307A371' }
