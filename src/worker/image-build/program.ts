import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hasCode, KmmError } from '../../errors/error.ts'
import {
  BuildError,
  type BuildReport,
  describeBuildFailure,
  describeBuilt,
  formatBuildReport,
} from '../../image/build-report.ts'
import { cleanText } from '../../kmod/clean-text.ts'
import type { CredentialStore } from '../../oci/credentials.ts'
import { formatReference, parseReference, type Reference } from '../../oci/reference.ts'
import type { RegistrySettings } from '../../oci/settings.ts'
import { type Host, locate } from '../host.ts'
import { findBaseImages } from './bases.ts'
import { BuildahError, createBuildah } from './buildah.ts'
import type { Builder, BuildRequest } from './builder.ts'
import { countCredentials, formatAuthFile, nameRepository } from './credentials.ts'
import { type BuildCommand, parseBuildCommand } from './flags.ts'
import { formatPullRegistries, formatPushRegistries } from './registries.ts'
import { createSchemeFinder, type SchemeFinder } from './scheme.ts'
import { readCredentials, readSettings } from '../inputs.ts'
import { writeTerminationLog } from '../termination-log.ts'

const storageFolder = '/var/lib/containers'
const longestDockerfile = 1_048_576

/** What the build program works with besides its arguments. */
export interface ImageBuildOptions {
  host: Pick<Host, 'root'> & {
    /** The builder's program, found on the PATH unless it is a path. */
    buildahPath: string
    /** Where programs are looked for. */
    path: string
  }
  /** A folder for temporary files, below the host's root. */
  temporaryFolder: string
  /** Takes one line of the log, for people. */
  log: (line: string) => void
  signal: AbortSignal
  /** How long the builder may take to end after the signal. */
  graceMs?: number
}

/** What one build works with. */
interface BuildContext {
  command: BuildCommand
  builder: Builder
  settings: RegistrySettings
  credentials: CredentialStore
  schemes: SchemeFinder
  log: (line: string) => void
}

/**
 * Builds an image from a Dockerfile, pushes it and writes a report; answers the exit status, 0 or 1. Never rejects: what goes
 * wrong is in the report and in the log. When the signal comes the builder is ended with all that it has started.
 */
export async function runImageBuild(argv: readonly string[], options: ImageBuildOptions): Promise<number> {
  const log = (line: string): void => options.log(cleanText(line, 4000))
  let report: BuildReport
  try {
    report = await build(parseBuildCommand(argv), { ...options, log })
  } catch (error) {
    report = describeBuildFailure(explainStop(error, options.signal))
  }
  await writeTerminationLog(options.host, formatBuildReport(report), log)
  log(`${report.outcome === 'ok' ? 'Done' : 'Failed'}: ${report.reason}: ${report.message}`)
  return report.outcome === 'ok' ? 0 : 1
}

async function build(command: BuildCommand, options: ImageBuildOptions): Promise<BuildReport> {
  const { host, log, signal, graceMs } = options
  // What cannot be pushed to need not be built.
  const target = command.to === undefined ? undefined : parseTarget(command.to)
  const settings = await readSettings(host)
  const credentials = await readCredentials(host, log)
  const context = await makeContext(command, options)
  const schemes = createSchemeFinder(settings, signal)
  try {
    const builder = await createBuildah({
      program: host.buildahPath,
      path: host.path,
      storageFolder: locate(host, storageFolder),
      temporaryFolder: locate(host, options.temporaryFolder),
      settings,
      log,
      signal,
      ...(graceMs === undefined ? {} : { graceMs }),
    })
    const work = { command, builder, settings, credentials, schemes, log }
    try {
      return await buildAndPush(work, context, target)
    } finally {
      await builder.remove()
    }
  } finally {
    await schemes.close()
    await rm(context.folder, { recursive: true, force: true })
  }
}

function parseTarget(text: string): Reference {
  const target = parseReference(text)
  if (target.digest === undefined) return target
  throw new KmmError(`${text} names a digest, which nobody can push to before it is built; give a tag`, {
    code: 'ReferenceInvalid',
    fate: 'terminal',
  })
}

async function buildAndPush(
  work: BuildContext,
  { request, bases }: { request: BuildRequest; bases: Reference[] },
  target: Reference | undefined,
): Promise<BuildReport> {
  const { command, builder, settings, credentials, schemes, log } = work
  // Both before the work that takes long.
  const pull = await formatPullRegistries(bases, command.baseTls, settings, schemes)
  const push = target === undefined ? '' : await formatPushRegistries(target, command.toTls, schemes)
  log(`Building${target === undefined ? '' : ` ${formatReference(target)}`}.`)
  await withCredentials(credentials, bases, (auth) => builder.build(request, { auth, registries: pull }))
  if (target === undefined) return describeBuilt('built; nothing was pushed', undefined)
  const name = formatReference(target)
  log(`Pushing ${name}.`)
  const digest = await withCredentials(credentials, [target], (auth) => builder.push(name, { auth, registries: push }))
  return describeBuilt(`built and pushed ${name}`, digest)
}

/** Tries again with an image's next credential where the registry refuses one, as the kubelet does. */
async function withCredentials<T>(
  credentials: CredentialStore,
  images: readonly Reference[],
  work: (auth: string) => Promise<T>,
): Promise<T> {
  const attempts = new Map<string, number>()
  for (;;)
    try {
      return await work(formatAuthFile(credentials, images, attempts))
    } catch (error) {
      const refused = error instanceof BuildahError ? findRefused(error, images) : undefined
      const tried = refused === undefined ? 0 : (attempts.get(nameRepository(refused)) ?? 0) + 1
      if (refused === undefined || tried >= countCredentials(credentials, refused)) throw error
      attempts.set(nameRepository(refused), tried)
    }
}

/** The image whose credential a registry has refused; of a push there is but one. */
function findRefused({ reason, image }: BuildahError, images: readonly Reference[]): Reference | undefined {
  if (reason !== 'RegistryUnauthorized') return undefined
  return image === undefined ? images[0] : images.find((each) => isNamed(each, image))
}

/** The builder names images in full, but for those of Docker Hub. */
function isNamed(reference: Reference, name: string): boolean {
  try {
    return nameRepository(parseReference(name)) === nameRepository(reference)
  } catch {
    return false
  }
}

/** A folder with the Dockerfile alone: build pods have no other files to copy (upstream: kaniko's context is /workspace). */
async function makeContext(
  command: BuildCommand,
  { host, temporaryFolder }: ImageBuildOptions,
): Promise<{ folder: string; request: BuildRequest; bases: Reference[] }> {
  const text = await readDockerfile(host, command.dockerfile)
  const volumes = await Promise.all(command.volumes.map((path) => findVolume(host, path)))
  await mkdir(locate(host, temporaryFolder), { recursive: true })
  const folder = await mkdtemp(join(locate(host, temporaryFolder), 'kmm-context-'))
  const dockerfile = join(folder, 'Dockerfile')
  await writeFile(dockerfile, text)
  const { buildArgs, labels, architecture } = command
  return {
    folder,
    request: { dockerfile, buildArgs, labels, volumes, architecture },
    bases: findBaseImages(text, buildArgs),
  }
}

async function readDockerfile(host: Pick<Host, 'root'>, path: string): Promise<string> {
  const text = await readFile(locate(host, path), 'utf8').catch((error: unknown) => {
    throw new KmmError(`the Dockerfile ${path} cannot be read: the ConfigMap needs it under the key "dockerfile"`, {
      code: 'ConfigurationInvalid',
      cause: error,
    })
  })
  if (text.length <= longestDockerfile) return text
  throw new KmmError(`the Dockerfile is longer than ${longestDockerfile} characters`, { code: 'ConfigurationInvalid' })
}

async function findVolume(host: Pick<Host, 'root'>, path: string): Promise<{ source: string; target: string }> {
  try {
    return { source: await realpath(locate(host, path)), target: path }
  } catch (error) {
    throw new KmmError(`--volume ${path} names what is not in the pod: mount it there`, {
      code: 'ConfigurationInvalid',
      cause: error,
    })
  }
}

function explainStop(error: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || (error instanceof BuildError && error.reason === 'Aborted')) return error
  const message = 'the build was stopped before the image was pushed; it is tried again'
  return new KmmError(message, { code: 'Aborted', ...(hasCode(error, 'Aborted') ? {} : { cause: error }) })
}
