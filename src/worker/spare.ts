import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { extractionRoot } from '../kmod/modprobe-arguments.ts'
import { normalizeModuleName } from '../kmod/module-name.ts'
import { locate } from './host.ts'
import { type LoadedModule, readLoadedModules } from './kernel-state.ts'
import { listTakenAlong, readRemovalIndexes, type RemovalIndexes, writeRemovalTree } from './removal-tree.ts'
import type { RunContext } from './run-context.ts'

/** The spared modules that modprobe would take along with these. */
function findEndangered({ spared, log }: RunContext, indexes: RemovalIndexes, names: readonly string[]): Set<string> {
  const asked = new Set(names.map(normalizeModuleName))
  const taken = listTakenAlong(indexes, names)
  const endangered = spared.filter((name) => taken.has(name) && !asked.has(name))
  for (const name of endangered)
    log(`${name} is not removed along with ${names.join(', ')}: another Module asks for it.`)
  return new Set(endangered)
}

/**
 * Sees to it that `modprobe -r` of these does not take along what other Modules of the node ask for, where the image's tree
 * (as the container sees it) would have it do so: another one takes its place.
 */
export async function spareInImage(context: RunContext, folder: string, names: readonly string[]): Promise<void> {
  const { host, spared } = context
  if (spared.length === 0 || names.length === 0) return
  const indexes = await readRemovalIndexes(host, folder)
  const endangered = findEndangered(context, indexes, names)
  if (endangered.size === 0) return
  // Beside it, so that links which lead out of it lead to the same.
  const whole = join(dirname(folder), `.kmm-whole-${basename(folder)}`)
  await rm(locate(host, whole), { recursive: true, force: true })
  await rename(locate(host, folder), locate(host, whole))
  await writeRemovalTree(host, { from: whole, to: folder }, indexes, endangered)
}

const inTreeDirectory = `${extractionRoot}/.kmm-in-tree`

/**
 * The same for in-tree modules, whose tree is the host's and stays as it is: answers the directory that modprobe is to look
 * into instead, or undefined where it takes along nothing that others ask for.
 */
export async function spareInTree(context: RunContext, names: readonly string[]): Promise<string | undefined> {
  const { host, spared } = context
  if (spared.length === 0) return undefined
  const tree = join('lib/modules', host.kernelRelease)
  const indexes = await readRemovalIndexes(host, join('/', tree))
  const endangered = findEndangered(context, indexes, names)
  if (endangered.size === 0) return undefined
  await writeRemovalTree(host, { from: join('/', tree), to: join(inTreeDirectory, tree) }, indexes, endangered)
  return inTreeDirectory
}

/** What other Modules ask for, and is in the kernel now. */
export const readSpared = ({ host, spared }: RunContext): Promise<LoadedModule[]> => readLoadedModules(host, spared)

/**
 * Says which of these are no longer in the kernel: what a command of the administrator's own takes along is not for KMM to
 * prevent. Answers a remark for the report, or nothing.
 */
export async function remarkOnTaken({ host, log }: RunContext, before: readonly LoadedModule[]): Promise<string[]> {
  const names = before.map(({ name }) => name)
  const left = new Set((await readLoadedModules(host, names)).map(({ name }) => name))
  const taken = names.filter((name) => !left.has(name))
  if (taken.length === 0) return []
  const remark = `${taken.join(', ')} has left the kernel as well, which another Module on this node asks for`
  log(`Warning: ${remark}.`)
  return [remark]
}
