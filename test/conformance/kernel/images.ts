import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readModulesTree } from '../../../src/cli/demo/modules-image.ts'
import { buildModuleTreeFiles, type TreeModule } from '../../../src/sandbox/kernel/depmod.ts'
import type { LayerEntry } from '../../../src/sandbox/registry/types.ts'
import { toEntries } from '../../scenario/scene.ts'
import type { TargetNode } from '../target.ts'

const examples = 'examples/kmod'

/** The compiled modules of a folder of examples/kmod for a kernel, put where an image has them for the kernel `as`. */
export async function exampleLayer(folder: string, release: string, as = release): Promise<LayerEntry[]> {
  return toEntries(await readModulesTree(join(examples, folder, release), as))
}

/** Puts the files of a layer on a node's disk, as an administrator does; its links are links of images alone. */
export async function writeTree(node: TargetNode, layer: readonly LayerEntry[]): Promise<void> {
  const files = layer.filter(({ type }) => type !== 'symlink')
  await Promise.all(files.map(({ name, content = '' }) => node.writeFile(`/${name}`, content)))
}

/** What makes modules of the node's own tree known to an image that links to it. */
export function hostLayer(release: string, modules: readonly TreeModule[]): LayerEntry[] {
  const folder = `opt/lib/modules/${release}`
  const indexed = modules.map((module) => ({ ...module, path: `host/${module.path}` }))
  return [
    { name: `${folder}/host`, type: 'symlink', linkname: `/lib/modules/${release}` },
    ...Object.entries(buildModuleTreeFiles(indexed)).map(([file, content]) => ({ name: `${folder}/${file}`, content })),
  ]
}

/** An index below `/alone` that knows the module and nothing that it depends on: with it, modprobe removes this one alone. */
export function aloneLayer(release: string, name: string): LayerEntry[] {
  const index = buildModuleTreeFiles([{ path: `${name}.ko`, name }])
  return Object.entries(index).map(([file, content]) => ({ name: `alone/lib/modules/${release}/${file}`, content }))
}

/** The module kmm_demo_dep, signed by the trusted key or by a stranger's. */
export function signedLayer(signer: 'trusted' | 'stranger', release: string): LayerEntry[] {
  const name = 'kmm_demo_dep'
  const folder = `opt/lib/modules/${release}`
  const index = buildModuleTreeFiles([{ path: `${name}.ko`, name }])
  const module = readFileSync(join(examples, 'signed', signer, release, `${name}.ko`))
  return [
    { name: `${folder}/${name}.ko`, content: module },
    ...Object.entries(index).map(([file, content]) => ({ name: `${folder}/${file}`, content })),
  ]
}

/** The certificate of the trusted key, PEM. */
export const trustedCertificate = (): string => readFileSync(join(examples, 'signed/trusted.pem'), 'utf8')

/** A firmware file of an image, below `/firmware`. */
export const firmwareLayer = (path: string, content: string): LayerEntry[] => [{ name: `firmware/${path}`, content }]

/**
 * What an image has that is made from a distribution's: merged folders, headers, links out of the modules' tree as the headers
 * packages put them there, hard links, files that run as root, an unreadable one, a device.
 */
export function distributionLayer(release: string): LayerEntry[] {
  const headers = `usr/src/linux-headers-${release}`
  const tree = `opt/lib/modules/${release}`
  const link = (name: string, linkname: string): LayerEntry => ({ name, type: 'symlink', linkname })
  return [
    link('bin', 'usr/bin'),
    link('lib', 'usr/lib'),
    link('lib64', '/usr/lib64'),
    { name: 'usr/bin/', mode: 0o755 },
    { name: 'usr/bin/su', content: 'not really', mode: 0o4755 },
    { name: 'usr/bin/wall', content: 'not really', mode: 0o2755, gid: 5 },
    { name: 'usr/bin/perl', content: 'not really', mode: 0o755 },
    { name: 'usr/bin/perl5.36.0', type: 'link', linkname: 'usr/bin/perl' },
    link('usr/bin/awk', '/etc/alternatives/awk'),
    link('etc/alternatives/awk', '/usr/bin/mawk'),
    { name: 'etc/shadow', content: 'root:*:::::::', mode: 0o640, gid: 42 },
    { name: 'dev/console', type: 'character-device' },
    { name: `${headers}/Makefile`, content: 'all:\n' },
    link(`${headers}/scripts`, '../linux-kbuild-6.1/scripts'),
    link(`usr/lib/modules/${release}/build`, `/${headers}`),
    link(`${tree}/build`, `/${headers}`),
    link(`${tree}/source`, '/usr/src/linux-headers-6.1.0-56-common'),
    { name: `${tree}/updates/`, mode: 0o755 },
    link(`${tree}/updates/su`, '../../../../../usr/bin/su'),
    { name: 'tmp/', mode: 0o1777 },
  ]
}
