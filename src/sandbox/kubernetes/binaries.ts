import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { KmmError } from '../../errors/error.ts'
import type { Environment } from '../../kube/kubeconfig.ts'
import { cacheFolder } from '../cache-folder.ts'
import { buildBinaries, readSources } from './build.ts'

/** The programs of a control plane. */
export const commands = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const
export type Command = (typeof commands)[number]

/** Where the programs of a control plane are. */
export interface KubernetesBinaries {
  /** `v1.36.2`. */
  version: string
  /** In words for a person. */
  origin: string
  paths: Readonly<Record<Command, string>>
  /** Only beside programs that were built here. */
  kubelet?: string
}

/** Where to look for the programs, and what they are built from if they are nowhere. */
export interface BinarySearch {
  /** KUBEBUILDER_ASSETS and PATH are looked at, then the cache folder. */
  environment: Environment
  /** The user's home folder. */
  home: string
  /** The folder of the package: the Go program is below it. */
  root: string
  /** Told of what is refused and of the progress of a build, a line each. */
  tell?: (line: string) => void
  signal?: AbortSignal
}

/** What one place has to offer. */
type Offer = { binaries: KubernetesBinaries } | { refusal: string }

/** The oldest Kubernetes whose behaviour the operator is tested against. */
const oldestMinor = 34

const execute = promisify(execFile)

async function askVersion(path: string): Promise<string> {
  const { stdout } = await execute(path, ['--version'], { timeout: 30_000 })
  return stdout.split('\n')[0]?.trim() ?? ''
}

/** What is wrong with a program's version; undefined when it will do. */
async function findFault(command: Command, path: string): Promise<string | undefined> {
  const words = await askVersion(path).catch((error: unknown) => String(error).split('\n')[0] ?? '')
  if (command === 'etcd')
    return words.startsWith('etcd Version: ') ? undefined : `${path} is no etcd: it says ${JSON.stringify(words)}`
  const [, minor] = /^Kubernetes v1\.(\d+)\./.exec(words) ?? []
  if (minor === undefined) return `${path} is no ${command}: it says ${JSON.stringify(words)}`
  return Number(minor) >= oldestMinor ? undefined : `${path} is ${words}, and 1.${oldestMinor} or later is needed`
}

async function checkPaths(paths: Record<Command, string>, origin: string): Promise<Offer> {
  const faults = await Promise.all(commands.map((command) => findFault(command, paths[command])))
  const refusal = faults.filter((fault) => fault !== undefined).join('; ')
  if (refusal !== '') return { refusal: `${origin}: ${refusal}` }
  const version = (await askVersion(paths['kube-apiserver'])).replace('Kubernetes ', '')
  return { binaries: { version, origin, paths } }
}

function locate(folders: readonly string[]): Partial<Record<Command, string>> {
  const found: Partial<Record<Command, string>> = {}
  for (const command of commands) {
    const path = folders.map((folder) => join(folder, command)).find((each) => existsSync(each))
    if (path !== undefined) found[command] = path
  }
  return found
}

const isComplete = (found: Partial<Record<Command, string>>): found is Record<Command, string> =>
  commands.every((command) => found[command] !== undefined)

async function lookIn(folders: readonly string[], origin: string): Promise<Offer> {
  const found = locate(folders)
  if (isComplete(found)) return checkPaths(found, origin)
  if (Object.keys(found).length === 0) return { refusal: `${origin} has no control plane` }
  const missing = commands.filter((command) => found[command] === undefined)
  return { refusal: `${origin} has no ${missing.join(', ')}` }
}

/** What was built earlier from the same sources. */
function lookInCache(folder: string, { version, digest }: { version: string; digest: string }): KubernetesBinaries {
  const bin = join(folder, 'kubernetes', version, 'bin')
  const paths = Object.fromEntries(commands.map((command) => [command, join(bin, command)])) as Record<Command, string>
  return { version, origin: `built from Go modules (${digest.slice(0, 8)})`, paths, kubelet: join(bin, 'kubelet') }
}

/**
 * Finds a control plane's programs: in KUBEBUILDER_ASSETS, else in PATH, else in the cache folder, into which they are built
 * if need be. What KUBEBUILDER_ASSETS names must do; what PATH has is passed over if it is incomplete or too old.
 */
export async function findBinaries(search: BinarySearch): Promise<KubernetesBinaries> {
  const { environment, home, root, tell = () => undefined, signal } = search
  const { KUBEBUILDER_ASSETS: assets = '', PATH = '' } = environment
  if (assets !== '') {
    const offer = await lookIn([assets], `KUBEBUILDER_ASSETS (${assets})`)
    if ('binaries' in offer) return offer.binaries
    throw new KmmError(`cannot use the control plane of ${offer.refusal}: correct KUBEBUILDER_ASSETS or unset it`, {
      code: 'ConfigurationInvalid',
      fate: 'terminal',
    })
  }
  const inPath = await lookIn(PATH.split(delimiter).filter(Boolean), 'PATH')
  if ('binaries' in inPath) return inPath.binaries
  if (inPath.refusal !== 'PATH has no control plane') tell(`cannot use the control plane in PATH: ${inPath.refusal}`)
  const sources = await readSources(join(root, 'test/cluster'))
  const cache = cacheFolder(environment, home)
  await buildBinaries({ sources, cache, environment, tell, ...(signal === undefined ? {} : { signal }) })
  return lookInCache(cache, sources)
}
