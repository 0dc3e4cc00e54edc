import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describeError, KmmError } from '../../errors/error.ts'
import { BuildError } from '../../image/build-report.ts'
import { isDigest } from '../../oci/digest.ts'
import { quoteUntrusted } from '../../oci/text.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import type { Builder, BuildRequest, RegistryAccess } from './builder.ts'
import { type ProgramContext, type ProgramEnd, runProgram } from './process.ts'
import { type BuildFinding, type BuildPhase, findBuildFailure } from './words.ts'

/** What buildah is started with. */
export interface BuildahOptions {
  /** The program; looked for on the PATH unless it is a path. */
  program: string
  /** Where programs are looked for. */
  path: string
  /** On this computer: where layers are kept while the image is built. */
  storageFolder: string
  /** On this computer: for files of its own, credentials among them. */
  temporaryFolder: string
  settings: RegistrySettings
  log: (line: string) => void
  signal: AbortSignal
  /** How long it may take to end after the signal; default 5 s. */
  graceMs?: number
}

/** A failure of buildah, with the image that it is about where it is about one. */
export class BuildahError extends BuildError {
  readonly image: string | undefined

  constructor({ reason, message, image }: BuildFinding, lines: readonly string[]) {
    super(reason, message, { log: lines.join('\n') })
    this.name = 'BuildahError'
    this.image = image
  }
}

/** Where buildah's files are. */
interface Places {
  storage: string
  own: string
}

/** How it keeps layers: `overlay` mounts them over each other, `vfs` copies them, which works everywhere and takes long. */
type StorageDriver = 'overlay' | 'vfs'

const defaultGraceMs = 5_000

/**
 * buildah, from version 1.28 on: without a daemon, and without privileges beyond a user namespace. Steps run in a chroot. Nothing
 * of the computer's own configuration counts: credentials, registries and the policy of signatures are files that are written
 * here and go when it is removed.
 */
export async function createBuildah(options: BuildahOptions): Promise<Builder> {
  await mkdir(options.storageFolder, { recursive: true })
  await mkdir(options.temporaryFolder, { recursive: true })
  const storage = await mkdtemp(join(options.storageFolder, 'kmm-build-'))
  const places = { storage, own: await mkdtemp(join(options.temporaryFolder, 'kmm-build-')) }
  await prepare(places, options.settings)
  const start = (driver: StorageDriver, args: readonly string[], more: Partial<ProgramContext> = {}) =>
    runProgram({ ...describeProgram(places, options), ...more }, [...listCommonFlags(places, driver), ...args])
  const driver = await chooseDriver((args) => start('overlay', args, { log: () => undefined }))
  const run = (args: readonly string[], signal = options.signal) => start(driver, args, { signal })
  const runChecked = async (phase: BuildPhase, args: readonly string[]): Promise<void> => {
    const end = await run(args)
    if (end.status !== 0) throw explainEnd(phase, end, options)
  }
  return {
    build: async (request, access) => {
      await writeAccess(places, access)
      await runChecked('build', listBuildFlags(request, places, options.settings))
    },
    push: async (target, access) => {
      await writeAccess(places, access)
      await runChecked('push', await listPushFlags(target, places, options.settings))
      return readDigest(join(places.own, 'digest'))
    },
    remove: () => remove(places, (args) => run(args, new AbortController().signal), options.log),
  }
}

/** What an ordinary user mounts goes with the user namespace; what root mounts would stay. */
async function chooseDriver(start: (args: readonly string[]) => Promise<ProgramEnd>): Promise<StorageDriver> {
  if (process.getuid?.() === 0) return 'vfs'
  return (await start(['info'])).status === 0 ? 'overlay' : 'vfs'
}

function describeProgram(places: Places, options: BuildahOptions): ProgramContext {
  const { program, log, signal, graceMs = defaultGraceMs } = options
  return { program, environment: listEnvironment(places, options), folder: places.own, log, signal, graceMs }
}

async function prepare({ own }: Places, { caBundle }: RegistrySettings): Promise<void> {
  for (const name of ['run', 'tmp', 'home', 'registries.d', 'certs']) await mkdir(join(own, name), { mode: 0o700 })
  // Whether images are signed is none of the builder's business: it is told which to take by its user.
  await writeFile(join(own, 'policy.json'), JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }))
  if (caBundle !== undefined) await writeFile(join(own, 'certs', 'ca.crt'), caBundle)
}

async function writeAccess({ own }: Places, { auth, registries }: RegistryAccess): Promise<void> {
  await writeFile(join(own, 'auth.json'), auth, { mode: 0o600 })
  await writeFile(join(own, 'registries.conf'), registries)
}

/** Steps see the proxy too: what they download is as far away as images are. */
function listEnvironment({ own }: Places, { path, settings }: BuildahOptions): Record<string, string> {
  const { httpProxy, httpsProxy, noProxy } = settings.proxy ?? {}
  const proxy = { http_proxy: httpProxy, https_proxy: httpsProxy, no_proxy: noProxy }
  const given = Object.entries(proxy).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return {
    PATH: path,
    HOME: join(own, 'home'),
    TMPDIR: join(own, 'tmp'),
    XDG_RUNTIME_DIR: join(own, 'run'),
    ...Object.fromEntries(
      given.flatMap(([name, value]) => [
        [name, value],
        [name.toUpperCase(), value],
      ]),
    ),
  }
}

function listCommonFlags({ storage, own }: Places, driver: StorageDriver): string[] {
  return [
    `--root=${join(storage, 'root')}`,
    `--runroot=${join(own, 'run', 'storage')}`,
    `--storage-driver=${driver}`,
    `--registries-conf=${join(own, 'registries.conf')}`,
    `--registries-conf-dir=${join(own, 'registries.d')}`,
  ]
}

function listAccessFlags({ own }: Places, { caBundle }: RegistrySettings): string[] {
  const certificates = caBundle === undefined ? [] : [`--cert-dir=${join(own, 'certs')}`]
  return [`--signature-policy=${join(own, 'policy.json')}`, `--authfile=${join(own, 'auth.json')}`, ...certificates]
}

function listBuildFlags(request: BuildRequest, places: Places, settings: RegistrySettings): string[] {
  const { dockerfile, buildArgs, labels, volumes, architecture } = request
  return [
    'build',
    ...listAccessFlags(places, settings),
    '--isolation=chroot',
    '--layers=false',
    '--format=oci',
    '--pull=always',
    `--iidfile=${join(places.own, 'image')}`,
    ...(architecture === undefined ? [] : ['--arch', architecture]),
    ...buildArgs.flatMap((pair) => ['--build-arg', pair]),
    ...labels.flatMap((pair) => ['--label', pair]),
    ...volumes.flatMap(({ source, target }) => ['--volume', `${source}:${target}:ro`]),
    `--file=${dockerfile}`,
    dirname(dockerfile),
  ]
}

async function listPushFlags(target: string, places: Places, settings: RegistrySettings): Promise<string[]> {
  const image = (await readFile(join(places.own, 'image'), 'utf8')).trim()
  const digest = `--digestfile=${join(places.own, 'digest')}`
  return ['push', ...listAccessFlags(places, settings), '--format=oci', digest, image, `docker://${target}`]
}

async function readDigest(path: string): Promise<string> {
  const digest = (await readFile(path, 'utf8')).trim()
  if (isDigest(digest)) return digest
  throw new BuildError('ImageInvalid', `the builder says "${quoteUntrusted(digest)}" where the pushed digest belongs`)
}

function explainEnd(phase: BuildPhase, { startFailure, lines, status }: ProgramEnd, options: BuildahOptions): KmmError {
  if (options.signal.aborted)
    return new BuildError('Aborted', `the build was stopped before the image was pushed; it is tried again`, {
      log: lines.join('\n'),
    })
  if (startFailure === 'ENOENT' || startFailure === 'EACCES')
    return new BuildError(
      'BuilderUnavailable',
      `there is no builder here: the program "${options.program}" cannot be started (${startFailure}). Use KMM's builder image for build pods (job.build.image in the operator's configuration, or RELATED_IMAGE_BUILD), or install buildah`,
    )
  if (startFailure !== undefined)
    return new BuildError('Unknown', `${options.program} could not be started: ${startFailure}`)
  if (status === undefined)
    return new BuildError(
      'Unknown',
      'the builder was killed, most likely for want of memory; see job.build.resources',
      {
        log: lines.join('\n'),
      },
    )
  return new BuildahError(findBuildFailure(phase, lines), lines)
}

const removal = 'require("node:fs").rmSync(process.argv[1],{recursive:true,force:true})'

async function remove(
  { storage, own }: Places,
  run: (args: readonly string[]) => Promise<ProgramEnd>,
  log: (line: string) => void,
): Promise<void> {
  try {
    await rm(storage, { recursive: true, force: true })
  } catch (error) {
    // Files of the image's own users can only be removed from within the user namespace that they were made in.
    const { status } = await run(['unshare', process.execPath, '-e', removal, storage])
    if (status !== 0) log(`What the build left in ${storage} could not be removed: ${describeError(error)}`)
  }
  await rm(own, { recursive: true, force: true }).catch((error: unknown) => {
    log(`What the build left in ${own} could not be removed: ${describeError(error)}`)
  })
}
