/**
 * Rebuilds the compiled example modules that the repository keeps:
 *
 *   npx tsx scripts/build-example-kmod.ts [KERNEL RELEASE]...
 *
 * Without arguments it builds for the releases that are kept now. Needs a Debian machine with
 * `build-essential kmod xz-utils zstd openssl` and `linux-headers-RELEASE` of each release.
 */
import { cp, mkdtemp, mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { run } from './run.ts'

const example = path.resolve('examples/kmod')
const testdata = path.resolve('src/kmod/testdata')
const moduleNames = ['kmm_demo_dep', 'kmm_demo', 'kmm_demo_fw']
const signFile = (release: string): string => `/lib/modules/${release}/build/scripts/sign-file`

async function must(program: string, ...args: string[]): Promise<void> {
  const { status, output } = await run(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with status ${status}:\n${output}`)
}

async function copySource(to: string): Promise<void> {
  for (const name of await readdir(example)) {
    if (/^(Makefile|.+\.[ch])$/.test(name)) await cp(path.join(example, name), path.join(to, name))
  }
}

/** Version 2 says so in its source, because the kernel's srcversion is a sum over the source. */
async function raiseVersion(directory: string): Promise<void> {
  const file = path.join(directory, 'kmm_demo.c')
  const source = await readFile(file, 'utf8')
  await writeFile(file, source.replace('MODULE_VERSION("1.0")', 'MODULE_VERSION("2.0")'))
}

interface Variant {
  release: string
  /** Folder below `examples/kmod` that gets one folder for each release. */
  target: string
  prepare?: (directory: string) => Promise<void>
}

async function buildVariant({ release, target, prepare }: Variant): Promise<string> {
  const work = await mkdtemp(path.join(tmpdir(), 'kmm-example-'))
  const source = path.join(work, 'source')
  const tree = path.join(work, 'root', 'lib', 'modules', release)
  await mkdir(source)
  await mkdir(tree, { recursive: true })
  await copySource(source)
  await prepare?.(source)
  // Without the map the path of the temporary folder would take part in the build ID.
  await must('make', '-C', source, `RELEASE=${release}`, `KCFLAGS=-ffile-prefix-map=${source}=.`)
  for (const name of moduleNames) {
    const file = path.join(tree, `${name}.ko`)
    await cp(path.join(source, `${name}.ko`), file)
    await must('strip', '--strip-debug', file)
  }
  // depmod asks for these two; a kmod image has neither a build order nor builtin modules.
  await writeFile(path.join(tree, 'modules.order'), '')
  await writeFile(path.join(tree, 'modules.builtin'), '')
  await must('depmod', '-b', path.join(work, 'root'), release)
  const destination = path.join(example, target, release)
  await rm(destination, { recursive: true, force: true })
  await cp(tree, destination, { recursive: true })
  await rm(work, { recursive: true })
  return destination
}

/** The forms of one module that Node.js alone cannot make: compressed as the kernel's own build does, and signed. */
async function writeTestdata(built: string, release: string): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'kmm-example-'))
  const plain = path.join(built, 'kmm_demo_dep.ko')
  const copy = path.join(work, 'kmm_demo_dep.ko')
  const key = path.join(work, 'key.pem')
  const certificate = path.join(work, 'certificate.pem')
  await cp(plain, copy)
  await must('xz', '--keep', '--check=crc32', '--lzma2=dict=1MiB', copy)
  await must('zstd', '--quiet', '-19', copy)
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '36500', '-subj', '/CN=KMM example key']
  await must('openssl', ...request, '-keyout', key, '-out', certificate)
  const signed = path.join(work, 'kmm_demo_dep.signed.ko')
  await must(signFile(release), 'sha256', key, certificate, copy, signed)
  await rm(testdata, { recursive: true, force: true })
  await mkdir(testdata, { recursive: true })
  for (const name of ['kmm_demo_dep.ko.xz', 'kmm_demo_dep.ko.zst', 'kmm_demo_dep.signed.ko']) {
    await cp(path.join(work, name), path.join(testdata, name))
  }
  await rm(work, { recursive: true })
}

const releases = process.argv.slice(2)
if (releases.length === 0) releases.push(...(await readdir(path.join(example, 'prebuilt'))).toSorted())
for (const release of releases) {
  console.log(`built ${await buildVariant({ release, target: 'prebuilt' })}`)
}
const newest = releases.at(-1) ?? ''
const second = await buildVariant({ release: newest, target: 'prebuilt-v2', prepare: raiseVersion })
console.log(`built ${second}`)
await writeTestdata(path.join(example, 'prebuilt', newest), newest)
console.log(`wrote ${testdata}`)
