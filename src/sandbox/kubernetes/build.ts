import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { hasCode, KmmError } from '../../errors/error.ts'
import type { Environment } from '../../kube/kubeconfig.ts'

/** The Go program that a control plane is built from. */
export interface Sources {
  folder: string
  /** Of Kubernetes: `v1.36.2`. */
  version: string
  /** Of all files. */
  digest: string
}

interface BuildOptions {
  sources: Sources
  cache: string
  environment: Environment
  tell: (line: string) => void
  signal?: AbortSignal
}

const files = ['go.mod', 'go.sum', 'control-plane/main.go', 'kubelet/main.go']

/** One program is each of these commands, by the name that it is started with. */
const links = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl']

const tellEveryMs = 10_000

const unusable = (message: string, cause?: unknown): KmmError =>
  new KmmError(message, { code: 'ConfigurationInvalid', fate: 'terminal', cause })

/** Reads what the Go program is made of. */
export async function readSources(folder: string): Promise<Sources> {
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8'))).catch((error: unknown) => {
    throw unusable(
      `no control plane is installed, and ${folder}, from which one could be built, cannot be read: put etcd, kube-apiserver, kube-controller-manager and kube-scheduler into PATH, or name their folder in KUBEBUILDER_ASSETS`,
      error,
    )
  })
  const [, version] = /^\s*k8s\.io\/kubernetes (v\S+)$/m.exec(texts[0] ?? '') ?? []
  if (version === undefined) throw unusable(`${folder}/go.mod requires no k8s.io/kubernetes`)
  const digest = createHash('sha256').update(texts.join('\0')).digest('hex')
  return { folder, version, digest }
}

function linkerFlags(version: string): string {
  const [major = '', minor = ''] = version.slice(1).split('.')
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor }
  const set = Object.entries(values).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
  return ['-s', '-w', ...set].join(' ')
}

function explain(error: unknown): KmmError {
  const { code } = error as { code?: string }
  if (code === 'ENOENT')
    return unusable(
      'no control plane is installed, and none can be built because there is no Go: install Go 1.26 or later (https://go.dev/dl), or put etcd, kube-apiserver, kube-controller-manager and kube-scheduler into PATH, or name their folder in KUBEBUILDER_ASSETS',
    )
  return unusable('cannot start go to build a control plane', error)
}

/** Runs `go build`; tells how far it is now and then. */
function runGo(options: BuildOptions, program: string, output: string): Promise<void> {
  const { sources, environment, tell, signal } = options
  const argv = ['build', '-v', '-trimpath', '-ldflags', linkerFlags(sources.version), '-o', output, `./${program}`]
  const started = Date.now()
  let compiled = 0
  let lastLines: string[] = []
  return new Promise((resolve, reject) => {
    const child = spawn('go', argv, {
      cwd: sources.folder,
      env: { ...environment, CGO_ENABLED: '0' },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...(signal === undefined ? {} : { signal }),
    })
    const progress = setInterval(() => {
      const seconds = Math.round((Date.now() - started) / 1_000)
      tell(`building ${program} of Kubernetes ${sources.version}: ${compiled} packages compiled, ${seconds} s`)
    }, tellEveryMs)
    // With -v, each package is named when it is compiled.
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (/^[\w./~-]+$/.test(line)) compiled += 1
      else lastLines = [...lastLines, line].slice(-20)
    })
    child.once('error', (error) => {
      clearInterval(progress)
      reject(explain(error))
    })
    child.once('close', (code) => {
      clearInterval(progress)
      if (code === 0) resolve()
      else reject(unusable(`go build of ${program} ended with status ${code}: ${lastLines.join('\n')}`))
    })
  })
}

/** True when the folder holds what these sources make. */
async function isBuilt(folder: string, { digest }: Sources): Promise<boolean> {
  return (await readFile(join(folder, 'sources'), 'utf8').catch(() => '')) === digest
}

/** Puts a finished folder in its place; what another process has put there meanwhile may stay. */
async function install(made: string, folder: string, sources: Sources): Promise<void> {
  if (await isBuilt(folder, sources)) return
  const old = `${made}-old`
  await rename(folder, old).catch(() => undefined)
  try {
    await rename(made, folder)
  } catch (error) {
    if (!(await isBuilt(folder, sources))) throw error
  }
  await rm(old, { recursive: true, force: true })
}

/** Builds the programs into `kubernetes/<version>/bin` of the cache folder unless they are there. */
export async function buildBinaries(options: BuildOptions): Promise<void> {
  const { sources, cache, tell } = options
  const folder = join(cache, 'kubernetes', sources.version)
  if (await isBuilt(folder, sources)) return
  tell(`building Kubernetes ${sources.version} from Go modules into ${folder}: about ten minutes the first time`)
  const made = join(cache, 'kubernetes', `.${sources.version}-${randomBytes(4).toString('hex')}`)
  const bin = join(made, 'bin')
  await mkdir(bin, { recursive: true })
  try {
    await runGo(options, 'control-plane', join(bin, 'control-plane'))
    await runGo(options, 'kubelet', join(bin, 'kubelet'))
    for (const name of links) await symlink('control-plane', join(bin, name))
    await writeFile(join(made, 'sources'), sources.digest)
    await install(made, folder, sources)
  } catch (error) {
    if (options.signal?.aborted) throw new KmmError('the build was interrupted', { code: 'Aborted', fate: 'wait' })
    throw hasCode(error, 'ConfigurationInvalid') ? error : unusable(`cannot build into ${folder}`, error)
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  tell(`built Kubernetes ${sources.version}`)
}
