import { existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { cp, mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { type ImageFile, packTar } from '../../../src/oci/image-builder.ts'
import { parseDockerfile, type Stage, type Step, substitute } from './dockerfile.ts'
import { BuildahFailure, type Flags, need, refuse } from './flags.ts'
import { print } from './output.ts'
import { runStep } from './run-step.ts'
import { addLayer, pull, save, type StoredImage } from './store.ts'

/** A stage as far as it has been built. */
interface Built {
  rootfs: string
  image: StoredImage
  /** What its steps have added, below `rootfs`. */
  added: Set<string>
}

interface Build {
  flags: Flags
  context: string
  stages: readonly Stage[]
  built: Built[]
}

async function begin({ flags, stages, built }: Build, { image }: Stage): Promise<Built> {
  const earlier = built[stages.findIndex(({ name }) => name !== undefined && name === image)]
  const folder = await mkdtemp(join(need(flags, 'root'), 'stage-'))
  const rootfs = join(folder, 'rootfs')
  if (earlier !== undefined) {
    await cp(earlier.rootfs, rootfs, { recursive: true, verbatimSymlinks: true })
    return { ...earlier, rootfs, added: new Set(earlier.added) }
  }
  if (image !== 'scratch') return { rootfs, image: await pull(flags, image, rootfs), added: new Set() }
  await mkdir(rootfs)
  return {
    rootfs,
    image: { layers: [], diffIds: [], labels: {}, architecture: flags.arch ?? 'amd64' },
    added: new Set(),
  }
}

function findSource({ context, stages, built }: Build, from: string | undefined): string {
  if (from === undefined) return context
  const index = /^\d+$/.test(from) ? Number(from) : stages.findIndex(({ name }) => name === from)
  return built[index]?.rootfs ?? refuse(`COPY --from an image (${from})`)
}

async function copy(build: Build, at: Built, { rest, values }: Step): Promise<void> {
  const words = substitute(rest, values).split(/\s+/)
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length)
  const paths = words.filter((word) => !word.startsWith('--'))
  const target = paths.pop() ?? ''
  if (paths.length === 0)
    throw new BuildahFailure(`building at STEP "COPY ${rest}": COPY requires at least one argument`)
  const source = findSource(build, from)
  for (const path of paths) {
    const file = join(source, path)
    if (!existsSync(file))
      throw new BuildahFailure(
        `building at STEP "COPY ${rest}": checking on sources under "${source}": copier: stat: "/${posix.relative('/', join('/', path))}": no such file or directory`,
      )
    const isInto = target.endsWith('/') && lstatSync(file).isFile()
    const place = isInto ? join(target, posix.basename(path)) : target
    await mkdir(dirname(join(at.rootfs, place)), { recursive: true })
    await cp(file, join(at.rootfs, place), { recursive: true, verbatimSymlinks: true })
    at.added.add(posix.relative('/', join('/', place)))
  }
}

function label({ image }: Built, text: string): StoredImage {
  const pairs = [...text.matchAll(/([\w./-]+)=(?:"([^"]*)"|(\S*))/g)]
  const labels = Object.fromEntries(pairs.map(([, name = '', quoted, plain]) => [name, quoted ?? plain ?? '']))
  return { ...image, labels: { ...image.labels, ...labels } }
}

async function take(build: Build, at: Built, step: Step): Promise<void> {
  const { word, rest, values } = step
  if (word === 'RUN') await runStep({ rootfs: at.rootfs, volumes: build.flags.volume ?? [] }, step)
  else if (word === 'COPY') await copy(build, at, step)
  else if (word === 'LABEL') at.image = label(at, substitute(rest, values))
  else if (word !== 'ARG')
    throw new BuildahFailure(`building at STEP "${word} ": Build error: Unknown instruction: "${word}"`)
}

function listFiles(root: string, path: string): [string, ImageFile][] {
  const stat = lstatSync(join(root, path))
  if (stat.isDirectory())
    return readdirSync(join(root, path)).flatMap((name) => listFiles(root, posix.join(path, name)))
  if (stat.isSymbolicLink()) return [[path, { linkname: readlinkSync(join(root, path)) }]]
  return [[path, { data: readFileSync(join(root, path)), mode: stat.mode & 0o7777 }]]
}

/** Builds an image from a Dockerfile of the few kinds of steps that KMM's tests use. */
export async function buildImage(flags: Flags): Promise<void> {
  const file = need(flags, 'file')
  await mkdir(need(flags, 'root'), { recursive: true })
  const stages = parseDockerfile(readFileSync(file, 'utf8'), flags['build-arg'] ?? [])
  const build: Build = { flags, context: dirname(file), stages, built: [] }
  for (const [index, stage] of stages.entries()) {
    const prefix = stages.length > 1 ? `[${index + 1}/${stages.length}] ` : ''
    const tell = (at: number, text: string): void => print(`${prefix}STEP ${at}/${stage.steps.length + 1}: ${text}`)
    tell(1, `FROM ${stage.image}${stage.name === undefined ? '' : ` AS ${stage.name}`}`)
    const built = await begin(build, stage)
    for (const [at, step] of stage.steps.entries()) {
      tell(at + 2, `${step.word} ${step.rest}`)
      await take(build, built, step)
    }
    build.built.push(built)
  }
  const last = build.built.at(-1) ?? refuse('a Dockerfile without stages')
  last.image = label(last, (flags.label ?? []).map((pair) => pair.replace(/=(.*)$/s, '="$1"')).join(' '))
  const files = [...last.added].flatMap((path) => listFiles(last.rootfs, path))
  const image =
    files.length === 0 ? last.image : await addLayer(flags, last.image, await packTar(Object.fromEntries(files)))
  await writeFile(need(flags, 'iidfile'), await save(flags, image))
}
