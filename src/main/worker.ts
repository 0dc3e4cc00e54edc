/**
 * `worker kmod load|unload CONFIG [--firmware-path PATH]`: runs in worker pods, on the node itself.
 * `worker image sign …`: runs in sign pods, without any privileges.
 * `worker image build …`: runs in build pods, with `buildah` beside it.
 */
import { readFileSync } from 'node:fs'
import { arch, release, tmpdir } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { normalizeArchitecture } from '../oci/platform.ts'
import { runImageBuild } from '../worker/image-build/program.ts'
import { runImageSign } from '../worker/image-sign.ts'
import { runWorker } from '../worker/program.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
const architecture = normalizeArchitecture(architectures[arch()] ?? arch())
const log = (line: string): void => console.log(line)
const [, , group, action, ...rest] = process.argv

const path = process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin'
const common = { log, signal: stop.signal }

function runKmod(): Promise<number> {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  const modprobe = { modprobePath: 'modprobe', modprobeEnvironment: { PATH: path } }
  const host = { root: '/', kernelRelease: release(), bootId, architecture, ...modprobe }
  return runWorker(process.argv.slice(2), { host, ...common })
}

function runSign(): Promise<number> {
  // To optimize the HTTP parser takes 35 MB for a moment, more than the rest of a sign pod's work, and gains nothing there.
  setFlagsFromString('--liftoff-only')
  return runImageSign(rest, { host: { root: '/', architecture }, temporaryFolder: tmpdir(), ...common })
}

function runBuild(): Promise<number> {
  return runImageBuild(rest, {
    host: { root: '/', buildahPath: 'buildah', path },
    temporaryFolder: tmpdir(),
    ...common,
  })
}

if (group === 'image' && action === 'sign') process.exitCode = await runSign()
else if (group === 'image' && action === 'build') process.exitCode = await runBuild()
else process.exitCode = await runKmod()
