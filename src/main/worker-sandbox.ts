/**
 * The worker on a virtual node: the same program, with the node given by flags. It is in no shipped image.
 * `worker-sandbox --root R --kernel-release V --boot-id B --modprobe PATH --architecture A kmod load|unload CONFIG …`
 */
import { parseArgs } from 'node:util'
import { runWorker } from '../worker/program.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const flags = {
  root: { type: 'string' },
  'kernel-release': { type: 'string' },
  'boot-id': { type: 'string' },
  modprobe: { type: 'string' },
  architecture: { type: 'string', default: 'amd64' },
} as const

const start = process.argv.indexOf('kmod')
const { values } = parseArgs({ args: process.argv.slice(2, start < 0 ? undefined : start), options: flags })
const need = (name: 'root' | 'kernel-release' | 'boot-id' | 'modprobe'): string => {
  const value = values[name]
  if (value === undefined) throw new Error(`worker-sandbox needs --${name}`)
  return value
}
const root = need('root')
const kernelRelease = need('kernel-release')

process.exitCode = await runWorker(start < 0 ? [] : process.argv.slice(start), {
  host: {
    root,
    kernelRelease,
    bootId: need('boot-id'),
    modprobePath: need('modprobe'),
    architecture: values.architecture,
    modprobeEnvironment: {
      PATH: process.env['PATH'] ?? '',
      KMM_NODE_ROOT: root,
      KMM_KERNEL_RELEASE: kernelRelease,
    },
  },
  log: (line) => console.log(line),
  signal: stop.signal,
})
