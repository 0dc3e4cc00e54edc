import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { type Design, imageOf, maintenanceTaint, parametersOf, versionOf } from './design.ts'
import type { Inserted } from './kernel.ts'
import type { Machine } from './machine.ts'
import type { World } from './world.ts'

/**
 * What the user's words and the state of the machines ask for, in the words of the design (§5): `want`, the Module is to
 * be in the kernel; `keep`, what is there stays; `release`, it is to go.
 */
export type Ask = 'want' | 'keep' | 'release'

interface Taint {
  key: string
  effect: string
}

/** They are gone as soon as the node answers, before anything could be unloaded there. */
const awayTaints = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

/** The taints of a Node that a design does not tolerate. */
export function listUntolerated(design: Design, node: ApiObject): Taint[] {
  const { taints = [] } = (node['spec'] ?? {}) as { taints?: Taint[] }
  return taints.filter(
    ({ key, effect }) => effect !== 'PreferNoSchedule' && !(design.tolerates && key === maintenanceTaint),
  )
}

const versionLabel = ({ namespace, name }: Design): string =>
  `kmm.node.kubernetes.io/version-module.${namespace}.${name}`

/** An administrator chooses the version by a label; one that the Module does not have changes nothing. */
function askByVersion(design: Design, labels: Readonly<Record<string, string>>): Ask {
  if (!design.versioned) return 'want'
  const label = labels[versionLabel(design)] ?? ''
  if (label === '') return 'release'
  return label === versionOf(design) ? 'want' : 'keep'
}

function selects({ selector }: Design, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value)
}

const listReleasing = (design: Design, node: ApiObject): Taint[] =>
  listUntolerated(design, node).filter(({ key }) => !awayTaints.includes(key))

/** What is asked for of one Module on one machine. */
export function askOf(world: World, key: string, machine: Machine): Ask {
  const { node } = machine
  const design = world.designs.get(key)
  const module = world.module(key)
  if (node === undefined || design === undefined || module === undefined) return 'release'
  if (module.metadata.deletionTimestamp !== undefined) return 'release'
  const labels = node.metadata.labels ?? {}
  if (!design.loads || !selects(design, labels) || !design.kernels.includes(machine.kernel.release)) return 'release'
  if (design.policy === 'OnTaint' && listReleasing(design, node).length > 0) return 'release'
  return askByVersion(design, labels)
}

/** True when what is in the kernel is what the design asks for on this kernel. */
export function isAsDesigned(design: Design, { name, image, parameters }: Inserted, kernel: string): boolean {
  if (name !== design.kernelModule) return false
  return image === imageOf(design, kernel) && parameters.join(' ') === parametersOf(design).join(' ')
}

/** True when somebody asks for what is in the kernel to be taken out. */
export function asksToUnload(world: World, key: string, machine: Machine): boolean {
  const design = world.designs.get(key)
  if (design === undefined || design.policy === 'Never') return false
  const ask = askOf(world, key, machine)
  if (ask !== 'want') return ask === 'release'
  const present = machine.kernel.ofOwner(key)
  return present !== undefined && !isAsDesigned(design, present, machine.kernel.release)
}

/** The version that is asked for on a machine, in words. */
export function formatWish(world: World, key: string, { node }: Machine): string {
  const design = world.designs.get(key)
  return design ? `${design.tag} ${node?.metadata.labels?.[versionLabel(design)] ?? ''}` : ''
}

/** True while the entry of the Module may be taken out of the machine's plan, as far as its Node says. */
export function mayRelease(world: World, key: string, machine: Machine): boolean {
  const design = world.designs.get(key)
  const { nodeInfo } = (machine.node?.['status'] ?? {}) as { nodeInfo?: { kernelVersion: string } }
  const isUnmapped = nodeInfo !== undefined && design?.kernels.includes(nodeInfo.kernelVersion) !== true
  return isUnmapped || askOf(world, key, machine) === 'release'
}

/** True while what is in the kernel is just what is asked for there. */
export function wantsAsItIs(world: World, key: string, machine: Machine): boolean {
  const [design, present] = [world.designs.get(key), machine.kernel.ofOwner(key)]
  if (design === undefined || present === undefined || askOf(world, key, machine) !== 'want') return false
  return isAsDesigned(design, present, machine.kernel.release)
}

/** Names a load that nobody may have seen. */
export const formatLoad = (machine: Machine, key: string): string => `${machine.name} ${key} ${machine.kernel.bootId}`

/** True while the policy `Never` leaves something behind: it is released, and in the kernel. */
export function leavesBehind(world: World, key: string, machine: Machine): boolean {
  const { policy } = world.designs.get(key) ?? {}
  return policy === 'Never' && machine.kernel.ofOwner(key) !== undefined && askOf(world, key, machine) === 'release'
}

/** What the policy `Never`, or a load that nobody saw, may have left in the kernel until the next boot. */
export function mayBeLeft(world: World, key: string, machine: Machine): boolean {
  const load = formatLoad(machine, key)
  return world.left.has(load) || world.unseen.has(load)
}
