import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type CacheOptions } from '../../../src/sandbox/qemu/kernels.ts'
import { provideFolder } from '../../../src/sandbox/qemu/provide.ts'

/** What a machine's containerd consists of, and `ctr` to fill it. */
const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'] as const
export type ContainerdProgram = (typeof programs)[number]

const source = 'test/cluster/containerd'
const modulePath = 'github.com/containerd/containerd/v2'
/** Snapshotters that nobody here uses and that want C libraries. */
const tags = 'no_btrfs,no_zfs,no_devmapper,no_aufs'

function build(version: string, folder: string, { progress, signal }: CacheOptions): Promise<void> {
  const flags = `-s -w -X ${modulePath}/version.Version=${version}`
  const packages = programs.map((name) => `${modulePath}/cmd/${name}`)
  const argv = ['build', '-v', '-trimpath', '-tags', tags, '-ldflags', flags, '-o', `${folder}/`, ...packages]
  return new Promise((resolve, reject) => {
    const child = spawn('go', argv, {
      cwd: source,
      env: { ...process.env, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    })
    let compiled = 0
    let words = ''
    createInterface({ input: child.stderr }).on('line', (line) => {
      words = `${words}\n${line}`.slice(-2_000)
      compiled += 1
      if (compiled % 200 === 0) progress?.(`building containerd: ${compiled} packages compiled`)
    })
    child.once('error', (error) =>
      reject(new Error('containerd cannot be built: install Go 1.24 or later (https://go.dev/dl)', { cause: error })),
    )
    child.once('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`go build of containerd in ${source} ended with status ${code}:${words}`))
    })
  })
}

/** Builds containerd from Go modules into the cache, once; answers the paths of its programs. */
export async function provideContainerd(options: CacheOptions): Promise<Record<ContainerdProgram, string>> {
  const texts = await Promise.all(['go.mod', 'go.sum'].map((name) => readFile(join(source, name), 'utf8')))
  const [, version] = /^\s*github\.com\/containerd\/containerd\/v2 (v\S+)/m.exec(texts[0] ?? '') ?? []
  if (version === undefined) throw new Error(`${source}/go.mod requires no ${modulePath}`)
  const key = createHash('sha256').update(texts.join('\0')).digest('hex').slice(0, 8)
  const folder = await provideFolder(join(options.cache, 'containerd', `${version}-${key}`), async (temporary) => {
    options.progress?.(`building containerd ${version} from Go modules, about a minute the first time`)
    await build(version, temporary, options)
  })
  return {
    containerd: join(folder, 'containerd'),
    'containerd-shim-runc-v2': join(folder, 'containerd-shim-runc-v2'),
    ctr: join(folder, 'ctr'),
  }
}
