import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import type { LayerEntry } from '../../src/sandbox/registry/types.ts'
import type { SandboxRegistry } from '../../src/sandbox/registry/registry.ts'

const busybox = '/usr/bin/busybox'
const tools = ['sh', 'cat', 'cp', 'echo', 'false', 'grep', 'sleep', 'test', 'true']

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** True where the real buildah can be tried: it is on the PATH, and so is the busybox that its steps run. */
export const hasBuildah =
  existsSync(busybox) &&
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => isExecutable(join(folder, 'buildah')))

/** An image with a shell: busybox where it is installed, else a file of the name, which is enough for the stand-in. */
export async function pushShellImage(registry: SandboxRegistry, repository: string): Promise<string> {
  const content = existsSync(busybox) ? readFileSync(busybox) : '#'
  const links = tools.map((name): LayerEntry => ({ name: `bin/${name}`, type: 'symlink', linkname: 'busybox' }))
  const entries: LayerEntry[] = [
    { name: 'bin/' },
    { name: 'bin/busybox', content, mode: 0o755 },
    ...links,
    { name: 'etc/' },
    { name: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\n' },
    { name: 'opt/' },
    { name: 'opt/prebuilt.ko', content: 'a module' },
    { name: 'tmp/', mode: 0o1777 },
  ]
  const config = { config: { Env: ['PATH=/bin'] } }
  return (await registry.push({ repository, tag: '1', layers: [{ entries }], config })).image
}
