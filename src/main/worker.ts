/**
 * `worker kmod load|unload CONFIG [--firmware-path PATH]`: runs in worker pods, on the node itself.
 * `worker image sign …`: runs in sign pods, without any privileges.
 */
import { readFileSync } from 'node:fs'
import { arch, release, tmpdir } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { normalizeArchitecture } from '../oci/platform.ts'
import { runImageSign } from '../worker/image-sign.ts'
import { runWorker } from '../worker/program.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
const architecture = normalizeArchitecture(architectures[arch()] ?? arch())
const log = (line: string): void => console.log(line)
const [, , group, action, ...rest] = process.argv

const isSign = group === 'image' && action === 'sign'
// To optimize the HTTP parser takes 35 MB for a moment, more than the rest of a sign pod's work, and gains nothing there.
if (isSign) setFlagsFromString('--liftoff-only')

process.exitCode = isSign
  ? await runImageSign(rest, {
      host: { root: '/', architecture },
      temporaryFolder: tmpdir(),
      log,
      signal: stop.signal,
    })
  : await runWorker(process.argv.slice(2), {
      host: {
        root: '/',
        kernelRelease: release(),
        bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
        modprobePath: 'modprobe',
        architecture,
        modprobeEnvironment: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
      },
      log,
      signal: stop.signal,
    })
