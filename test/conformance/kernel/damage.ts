import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { buildModuleTreeFiles, type TreeModule } from '../../../src/sandbox/kernel/depmod.ts'
import type { Json } from '../compare.ts'
import type { TargetNode } from '../target.ts'
import { runLine } from './modprobe-lines.ts'

/** Copies bytes, and changes the copy. */
function edit(bytes: Buffer, change: (copy: Buffer) => unknown): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  return copy
}

/** The module with another text of the same length in the place of each. */
const replace = (bytes: Buffer, from: string, to: string): Buffer =>
  Buffer.from(bytes.toString('latin1').replaceAll(from, to.padEnd(from.length, '\0')), 'latin1')

/** Where the record of an appended signature says which form it has; its length stands 6 bytes behind. */
const formAt = (bytes: Buffer): number => bytes.length - 40 + 2

/** What kmm_demo_dep.ko may be instead of a module for this kernel that nobody has signed. */
function listDamages(release: string): Readonly<Record<string, Buffer>> {
  const read = (folder: string): Buffer => readFileSync(`examples/kmod/${folder}/${release}/kmm_demo_dep.ko`)
  const plain = read('prebuilt')
  const trusted = read('signed/trusted')
  const flags = 'SMP preempt mod_unload modversions \0'
  return {
    'nothing is wrong': plain,
    'it is empty': Buffer.alloc(0),
    'it ends in its header': plain.subarray(0, 20),
    'it ends behind its header': plain.subarray(0, 100),
    'it is a text': Buffer.alloc(4_096, 'text '),
    'it is a program': edit(plain, (copy) => copy.writeUInt16LE(3, 16)),
    'it is for another processor': edit(plain, (copy) => copy.writeUInt16LE(183, 18)),
    'its sections have another size': edit(plain, (copy) => copy.writeUInt16LE(60, 58)),
    'gzip has compressed it': gzipSync(plain),
    'xz has compressed it': readFileSync('src/kmod/testdata/kmm_demo_dep.ko.xz'),
    'zstd has compressed it': readFileSync('src/kmod/testdata/kmm_demo_dep.ko.zst'),
    'half of what xz has compressed is there': readFileSync('src/kmod/testdata/kmm_demo_dep.ko.xz').subarray(0, 700),
    'it was built with other options': replace(plain, flags, 'SMP mod_unload modversions '),
    'it does not say what it was built for': replace(plain, 'vermagic=', 'vermagix='),
    'a stranger has signed it': read('signed/stranger'),
    'we have signed it': trusted,
    'it was changed after we had signed it': edit(trusted, (copy) =>
      copy.write('author=the', copy.indexOf('author=The')),
    ),
    'its signature is of another form': edit(trusted, (copy) => copy.writeUInt8(0, formAt(copy))),
    'its signature is longer than the file': edit(trusted, (copy) => copy.writeUInt32BE(0xffffffff, formAt(copy) + 6)),
  }
}

interface Tree {
  files: Readonly<Record<string, Buffer>>
  modules: readonly TreeModule[]
}

async function writeTree(node: TargetNode, release: string, name: string, { files, modules }: Tree): Promise<string> {
  const root = `/trees/${name.replaceAll(' ', '-')}`
  for (const [file, bytes] of Object.entries({ ...files, ...buildModuleTreeFiles(modules) }))
    await node.writeFile(`${root}/lib/modules/${release}/${file}`, bytes)
  return root
}

const dependency: TreeModule = { path: 'kmm_demo_dep.ko', name: 'kmm_demo_dep' }

/**
 * Loads kmm_demo_dep.ko in every state in which it can be, and modules that do not go with it; answers what modprobe and the
 * kernel had to say. The node's kernel has loaded nothing before.
 */
export async function collectDamageLines(node: TargetNode): Promise<Record<string, Json>> {
  const release = await node.release()
  const damages = listDamages(release)
  const lines: Record<string, Json> = {}
  // What is refused need not be removed.
  const run = async (root: string, ...commands: string[]): Promise<Json[]> => {
    const told: Json[] = []
    for (const command of commands) {
      const answer = await runLine(node, command.replace('TREE', root))
      told.push(answer)
      if ((answer as { status?: Json }).status !== 0) break
    }
    return told
  }
  for (const [what, bytes] of Object.entries(damages)) {
    const root = await writeTree(node, release, what, { files: { 'kmm_demo_dep.ko': bytes }, modules: [dependency] })
    lines[what] = await run(root, '-vd TREE kmm_demo_dep', '-rd TREE kmm_demo_dep')
  }
  const twin = replace(damages['we have signed it'] ?? Buffer.alloc(0), 'kmm_demo_dep\0', 'kmm_demo_two\0')
  const both = { 'kmm_demo_dep.ko': damages['we have signed it'] ?? twin, 'kmm_demo_two.ko': twin }
  const twins = await writeTree(node, release, 'twins', {
    files: both,
    modules: [dependency, { path: 'kmm_demo_two.ko', name: 'kmm_demo_two' }],
  })
  const commands = ['-vd TREE kmm_demo_dep', '-vd TREE kmm_demo_two']
  lines['another module has its symbols'] = await run(twins, ...commands)
  return lines
}
