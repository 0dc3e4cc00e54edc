import { truncate, writeFile } from 'node:fs/promises'
import { runTool } from './run-tool.ts'

/** What a new file system is to hold. */
export interface DiskContent {
  /** A folder whose content becomes its root; without it it is empty and writable. */
  tree?: string
  /** Default so much that the tree fits. */
  sizeMb?: number
}

const blockBytes = 4_096
const megabyte = 1_048_576

/** How many megabytes the blocks and inodes of a tree take. */
async function measureTree(tree: string): Promise<{ sizeMb: number; inodes: number }> {
  const printed = await runTool('find', [tree, '-printf', '%s %y\\n'])
  const lines = printed.toString().split('\n').filter(Boolean)
  const blocks = lines.map((line) => Math.ceil(Number(line.split(' ')[0]) / blockBytes) + 1)
  const bytes = blocks.reduce((sum, count) => sum + count, 0) * blockBytes + lines.length * 256
  return { sizeMb: Math.ceil((bytes * 1.03) / megabyte) + 8, inodes: lines.length + 64 }
}

/** Writes an ext4 file system into a sparse file: read-only ones without a journal, as small as their tree. */
export async function makeDisk(path: string, { tree, sizeMb }: DiskContent): Promise<void> {
  const measured = tree === undefined ? undefined : await measureTree(tree)
  await writeFile(path, '')
  await truncate(path, (sizeMb ?? measured?.sizeMb ?? 64) * megabyte)
  const shape =
    tree === undefined || measured === undefined
      ? []
      : ['-O', '^has_journal', '-N', String(measured.inodes), '-d', tree, '-E', 'root_owner=0:0']
  await runTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-b', String(blockBytes), '-m', '0', ...shape, path])
}
