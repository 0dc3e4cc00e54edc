import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { rmSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { exampleModules, kernel, WorkerNode } from '../../test/worker-node.ts'
import { maxReportBytes } from '../api/worker-report.ts'
import { type SandboxRegistry, startRegistry } from '../sandbox/registry/registry.ts'

let registry: SandboxRegistry
let node: WorkerNode
let image: string
beforeEach(async () => {
  registry = await startRegistry()
  node = new WorkerNode()
  image = (await registry.push({ repository: 'demo', tag: '1', layers: [{ entries: exampleModules() }] })).image
  node.configure({ containerImage: image })
})
afterEach(async () => {
  await registry.stop()
  node.remove()
})

describe('the configuration', () => {
  const valid = {
    containerImage: 'r.example/a:1',
    insecurePull: false,
    kernelVersion: kernel,
    modprobe: { moduleName: 'a' },
  }

  it.each<[string, string, RegExp]>([
    ['a field that nobody knows', stringify({ ...valid, containerImages: 'x' }), /unknown field "containerImages"/],
    [
      'an unknown field further in',
      stringify({ ...valid, modprobe: { modulename: 'x' } }),
      /unknown field "modprobe.modulename"/,
    ],
    ['a field of another type', stringify({ ...valid, modprobe: { parameters: 'a=b' } }), /modprobe.parameters/],
    ['a field that is missing', stringify({ modprobe: {} }), /containerImage/],
    ['no YAML', 'a: [b', /is not YAML/],
    ['a field that is there twice', 'containerImage: a\ncontainerImage: b\n', /is not YAML/],
    ['nothing', '', /type/],
    ['a list', '[]', /type/],
  ])('with %s is refused, and the report says so', async (_, text, message) => {
    node.write('etc/kmm-worker/config.yaml', text)
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'Unknown' })
    expect(report.message).toMatch(message)
  })

  it('of the Go operator, with its nulls and empty strings, is accepted', async () => {
    const config = {
      ...valid,
      containerImage: image,
      imagePullPolicy: '',
      insecurePull: true,
      inTreeModuleToRemove: '',
      inTreeModulesToRemove: null,
      modprobe: { moduleName: 'kmm_demo', dirName: '/opt', parameters: null, args: null, rawArgs: null },
    }
    node.write('etc/kmm-worker/config.yaml', stringify(config))
    expect(await node.run('load')).toMatchObject({ status: 0, reason: 'Loaded' })
    expect(node.modprobeCalls).toEqual([['-vd', '/tmp/opt', 'kmm_demo']])
  })

  it('that is missing is reported', async () => {
    rmSync(node.path('etc/kmm-worker/config.yaml'))
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'Unknown' })
    expect(report.message).toMatch(/configuration .* cannot be read/)
  })

  it('may come with settings for registries, which are read strictly too', async () => {
    node.write('etc/kmm-worker/registry.yaml', 'mirrorz: []\n')
    const report = await node.run('load')
    expect(report.status).toBe(1)
    expect(report.message).toMatch(/mirrorz/)
  })
})

describe('the command line', () => {
  const run = async (...argv: string[]): Promise<number> => {
    const { runWorker } = await import('./program.ts')
    return runWorker(argv, {
      host: node.host,
      log: (line) => node.logs.push(line),
      signal: new AbortController().signal,
    })
  }

  it.each([
    [[]],
    [['kmod']],
    [['kmod', 'reload', '/c']],
    [['kmod', 'load']],
    [['kmod', 'load', '/a', '/b']],
    [['kmod', 'load', '/a', '--firmware-path']],
    [['kmod', 'load', '/a', '--what']],
  ])('%j is refused with the usage', async (argv) => {
    expect(await run(...argv)).toBe(1)
    expect(node.logs.join('\n')).toMatch(/Usage: worker kmod load\|unload CONFIG/)
  })
})

describe('the report', () => {
  it('is valid and small, however much modprobe says', async () => {
    node.planModprobe({ when: 'kmm_demo', status: 1, stderr: `modprobe: ERROR: "${'\u0000\n\\"é'.repeat(20_000)}` })
    const report = await node.run('load')
    expect(report).toMatchObject({ status: 1, reason: 'Unknown' })
    expect(Buffer.byteLength(node.read('dev/termination-log'))).toBeLessThanOrEqual(maxReportBytes)
  })

  it('is a failure from the start, in case the worker is killed', async () => {
    const stop = new AbortController()
    const first: string[] = []
    const log = (line: string): void => {
      if (line.startsWith('Asking the registry')) first.push(node.report.message, node.report.outcome)
    }
    await node.run('load', [], { log, signal: stop.signal })
    expect(first).toEqual([expect.stringMatching(/ended before it could say why/), 'failed'])
  })

  it('that cannot be written changes nothing about the work', async () => {
    rmSync(node.path('dev'), { recursive: true })
    node.write('dev', 'in the way')
    await expect(node.run('load')).rejects.toThrow(/ENOTDIR|no report/)
    expect(node.loaded).toEqual(['kmm_demo'])
    expect(node.logs.join('\n')).toMatch(/report could not be written/)
  })
})

describe('a worker that is told to stop', () => {
  /** Starts the shipped program on the node, as the sandbox does. */
  function start(): { child: ChildProcess; ended: Promise<number | null>; output: () => string } {
    const flags = [
      '--root',
      node.root,
      '--kernel-release',
      kernel,
      '--boot-id',
      'boot-1',
      '--modprobe',
      node.host.modprobePath,
    ]
    const command = ['kmod', 'load', '/etc/kmm-worker/config.yaml']
    const child = spawn(process.execPath, ['dist/worker-sandbox.js', ...flags, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
    const ended = once(child, 'close').then(([code]) => code as number | null)
    return { child, ended, output: () => output }
  }

  it('works as a program of its own', async () => {
    const { ended, output } = start()
    expect(await ended, output()).toBe(0)
    expect(node.report).toMatchObject({ outcome: 'ok', reason: 'Loaded', bootID: 'boot-1' })
    expect(output()).toMatch(/Running: modprobe -vd \/tmp\/opt kmm_demo/)
  })

  it('ends a pull that hangs at once, and reports', async () => {
    registry.fail({ action: { do: 'hang', afterBytes: 1000 }, kind: 'blob' })
    const { child, ended, output } = start()
    await registry.waitForRequest((request) => request.kind === 'blob')
    child.kill('SIGTERM')
    expect(await ended, output()).toBe(1)
    expect(node.report).toMatchObject({ outcome: 'failed', reason: 'Unknown' })
    expect(node.report.message, output()).toMatch(/told to stop before it had changed anything/)
    expect(node.modprobeCalls).toEqual([])
  })

  it('lets a modprobe that runs end, and reports what it did', async () => {
    node.planModprobe({ when: 'kmm_demo', waitMs: 300 })
    const started = new Promise<void>((resolve) => {
      const watcher = watch(node.root, (_event, name) => {
        if (name !== 'modprobe.started') return
        watcher.close()
        resolve()
      })
    })
    const { child, ended, output } = start()
    await started
    child.kill('SIGTERM')
    expect(await ended, output()).toBe(0)
    expect(node.report).toMatchObject({ outcome: 'ok', reason: 'Loaded', modules: [{ name: 'kmm_demo' }] })
  })

  it('kills a modprobe that does not end, and says what is not known', async () => {
    node.planModprobe({ when: 'kmm_demo', waitMs: 60_000 })
    const stop = new AbortController()
    const watcher = watch(node.root, (_event, name) => {
      if (name === 'modprobe.started') stop.abort()
    })
    const report = await node.run('load', [], { signal: stop.signal, graceMs: 50 })
    watcher.close()
    expect(report).toMatchObject({ status: 1, outcome: 'failed', reason: 'Unknown' })
    expect(report.message).toMatch(/was killed after \d+ ms/)
    expect(node.loaded).toEqual([])
  })
})

describe('a pull that stalls', () => {
  it('ends with the reason RegistryUnreachable', async () => {
    registry.fail({ action: { do: 'hang', afterBytes: 1000 }, kind: 'blob' })
    const report = await node.run('load', [], { registry: { limits: { stallMs: 100 }, retries: { attempts: 1 } } })
    expect(report).toMatchObject({ status: 1, reason: 'RegistryUnreachable' })
  })
})
