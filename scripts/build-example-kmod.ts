/**
 * Rebuilds the compiled example modules that the repository keeps:
 *
 *   npx tsx scripts/build-example-kmod.ts [KERNEL RELEASE]...
 *
 * Without arguments it builds for the releases that are kept now. Needs a Debian machine with
 * `build-essential kmod xz-utils zstd openssl`, `linux-headers-RELEASE` of each release, and those of the last one's cloud
 * flavour, which stands for another kernel: its symbols have other versions.
 */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { run } from './run.ts'

const example = path.resolve('examples/kmod')
const testdata = path.resolve('src/kmod/testdata')
const signed = path.join(example, 'signed')
const demoModules = ['kmm_demo_dep', 'kmm_demo', 'kmm_demo_fw']
const moreModules = ['kmm_demo_crc', 'kmm_demo_dev', 'dummy']
/** The module of the kernel's own tree that kmm_demo_crc needs, and its one symbol. */
const inTree = 'kernel/lib/crc-itu-t.ko'
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
  modules: readonly string[]
  prepare?: (directory: string) => Promise<void>
  /** The tree has a link to the node's own, as images have whose modules need the kernel's. */
  linksToHost?: boolean
}

/** The kernel's own modules: installed, or unpacked from the distribution's package. */
async function findKernelTree(release: string, work: string): Promise<string> {
  const installed = `/lib/modules/${release}`
  if (existsSync(path.join(installed, inTree))) return installed
  const folder = path.join(work, 'package')
  await mkdir(folder)
  await must('env', '-C', folder, 'apt-get', 'download', `linux-image-${release}`)
  const [file = ''] = await readdir(folder)
  await must('dpkg', '-x', path.join(folder, file), folder)
  return path.join(folder, 'lib/modules', release)
}

/**
 * Lets depmod see the kernel's own module that ours need, as in the build of an image from the distribution's. depmod follows
 * the link of the image; the one that is kept leads to where the node's modules are in a worker.
 */
async function linkHost(tree: string, release: string, work: string): Promise<void> {
  const host = path.join(work, 'host', path.dirname(inTree))
  await mkdir(host, { recursive: true })
  await cp(path.join(await findKernelTree(release, work), inTree), path.join(work, 'host', inTree))
  await symlink(path.join(work, 'host'), path.join(tree, 'host'))
}

async function buildVariant({ release, target, modules, prepare, linksToHost }: Variant): Promise<string> {
  const work = await mkdtemp(path.join(tmpdir(), 'kmm-example-'))
  const source = path.join(work, 'source')
  const tree = path.join(work, 'root', 'lib', 'modules', release)
  await mkdir(source)
  await mkdir(tree, { recursive: true })
  await copySource(source)
  await prepare?.(source)
  // Without the map the path of the temporary folder would take part in the build ID.
  await must('make', '-C', source, `RELEASE=${release}`, `KCFLAGS=-ffile-prefix-map=${source}=.`)
  for (const name of modules) {
    const file = path.join(tree, `${name}.ko`)
    await cp(path.join(source, `${name}.ko`), file)
    await must('strip', '--strip-debug', file)
  }
  // depmod asks for these two; a kmod image has neither a build order nor builtin modules.
  await writeFile(path.join(tree, 'modules.order'), '')
  await writeFile(path.join(tree, 'modules.builtin'), '')
  if (linksToHost === true) await linkHost(tree, release, work)
  await must('depmod', '-b', path.join(work, 'root'), release)
  if (linksToHost === true) {
    await rm(path.join(tree, 'host'))
    await symlink(`/host/lib/modules/${release}`, path.join(tree, 'host'))
  }
  const destination = path.join(example, target, release)
  await rm(destination, { recursive: true, force: true })
  await cp(tree, destination, { recursive: true, verbatimSymlinks: true })
  await rm(work, { recursive: true })
  return destination
}

/** A key that is thrown away, and its certificate. */
async function makeKey(key: string, certificate: string): Promise<void> {
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-noenc', '-days', '36500', '-subj', '/CN=KMM example key']
  await must('openssl', ...request, '-keyout', key, '-out', certificate)
}

/** One module, signed by a key whose certificate is kept and by one that nobody knows. */
async function writeSigned(built: string, release: string): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'kmm-example-'))
  await rm(signed, { recursive: true, force: true })
  for (const signer of ['trusted', 'stranger']) {
    const key = path.join(work, `${signer}.key`)
    const certificate = path.join(work, `${signer}.pem`)
    await makeKey(key, certificate)
    const target = path.join(signed, signer, release)
    await mkdir(target, { recursive: true })
    const plain = path.join(built, 'kmm_demo_dep.ko')
    await must(signFile(release), 'sha256', key, certificate, plain, path.join(target, 'kmm_demo_dep.ko'))
  }
  await cp(path.join(work, 'trusted.pem'), path.join(signed, 'trusted.pem'))
  await rm(work, { recursive: true })
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
  await makeKey(key, certificate)
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
  console.log(`built ${await buildVariant({ release, target: 'prebuilt', modules: demoModules })}`)
  const more = { release, target: 'prebuilt-more', modules: moreModules, linksToHost: true }
  console.log(`built ${await buildVariant(more)}`)
}
const newest = releases.at(-1) ?? ''
const second = { release: newest, target: 'prebuilt-v2', modules: demoModules, prepare: raiseVersion }
console.log(`built ${await buildVariant(second)}`)
const cloud = newest.replace(/-amd64$/, '-cloud-amd64')
console.log(
  `built ${await buildVariant({ release: cloud, target: 'prebuilt-cloud', modules: ['kmm_demo_dep', 'kmm_demo'] })}`,
)
const built = path.join(example, 'prebuilt', newest)
await writeTestdata(built, newest)
await writeSigned(built, newest)
console.log(`wrote ${testdata} and ${signed}`)
