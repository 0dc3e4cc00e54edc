/**
 * The worker on a virtual node: the same program, with the node given by flags. It is in no shipped image.
 * `worker-sandbox --root R --kernel-release V --boot-id B --modprobe PATH --architecture A kmod load|unload CONFIG …`
 * `worker-sandbox --root R … image sign …`
 * `worker-sandbox --root R --buildah PATH … image build …`
 */
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runImageBuild } from '../worker/image-build/program.ts'
import { runImageSign } from '../worker/image-sign.ts'
import { runWorker } from '../worker/program.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const flags = {
  root: { type: 'string' },
  'kernel-release': { type: 'string' },
  'boot-id': { type: 'string' },
  modprobe: { type: 'string' },
  architecture: { type: 'string', default: 'amd64' },
  buildah: { type: 'string', default: 'buildah' },
} as const

const start = process.argv.findIndex((word) => word === 'kmod' || word === 'image')
const argv = start < 0 ? [] : process.argv.slice(start)
const { values } = parseArgs({ args: process.argv.slice(2, start < 0 ? undefined : start), options: flags })
const need = (name: 'root' | 'kernel-release' | 'boot-id' | 'modprobe'): string => {
  const value = values[name]
  if (value === undefined) throw new Error(`worker-sandbox needs --${name}`)
  return value
}
const root = need('root')
const { architecture } = values
const common = { log: (line: string) => console.log(line), signal: stop.signal }

async function runKmod(): Promise<number> {
  const kernelRelease = need('kernel-release')
  return runWorker(argv, {
    host: {
      root,
      kernelRelease,
      bootId: need('boot-id'),
      modprobePath: need('modprobe'),
      architecture,
      modprobeEnvironment: {
        PATH: process.env['PATH'] ?? '',
        KMM_NODE_ROOT: root,
        KMM_KERNEL_RELEASE: kernelRelease,
      },
    },
    ...common,
  })
}

const isImage = (action: string): boolean => argv[0] === 'image' && argv[1] === action
const isSign = isImage('sign')
// As the program that it stands for.
if (isSign) setFlagsFromString('--liftoff-only')

const image = { temporaryFolder: '/tmp', ...common }

if (isSign) process.exitCode = await runImageSign(argv.slice(2), { host: { root, architecture }, ...image })
else if (isImage('build')) {
  const host = { root, buildahPath: values.buildah, path: process.env['PATH'] ?? '' }
  process.exitCode = await runImageBuild(argv.slice(2), { host, ...image })
} else process.exitCode = await runKmod()
