/** `worker kmod load|unload CONFIG [--firmware-path PATH]`: runs in worker pods, on the node itself. */
import { readFileSync } from 'node:fs'
import { arch, release } from 'node:os'
import { normalizeArchitecture } from '../oci/platform.ts'
import { runWorker } from '../worker/program.ts'

const stop = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort())

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }

process.exitCode = await runWorker(process.argv.slice(2), {
  host: {
    root: '/',
    kernelRelease: release(),
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    modprobePath: 'modprobe',
    architecture: normalizeArchitecture(architectures[arch()] ?? arch()),
    modprobeEnvironment: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' },
  },
  log: (line) => console.log(line),
  signal: stop.signal,
})
