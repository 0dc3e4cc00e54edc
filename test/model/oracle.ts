import {
  getDevicePluginReadyLabel,
  getDevicePluginTargetLabel,
  getDraReadyLabel,
  getKernelModuleReadyNodeLabel,
  moduleNameLabel,
  moduleNamespaceLabel,
  workerActionLabel,
} from '../../src/api/labels.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { pods } from '../../src/sandbox/controllers/controller.ts'
import { type Design, imageOf, keyOfDesign, moduleNames, parametersOf, versionOf } from './design.ts'
import { askOf, isAsDesigned, listUntolerated, mayBeLeft } from './facts.ts'
import type { Machine } from './machine.ts'
import { listObjectProblems } from './oracle-objects.ts'
import type { World } from './world.ts'

/** How one Module is to stand on one machine when everything is at rest. */
type Expectation =
  /** In the kernel as designed, and everybody says so. */
  | 'loaded'
  /** No trace of it. */
  | 'out'
  /** The past decides; but whatever is said must be true. */
  | 'either'

/** What an observer sees of one Module on one machine. */
interface Seen {
  key: string
  machine: Machine
  node: ApiObject | undefined
  labels: Readonly<Record<string, string>>
  inserted: ReturnType<Machine['kernel']['ofOwner']>
  entry: Entry | undefined
  loaded: Entry | undefined
  workers: ApiObject[]
  plugins: ApiObject[]
}

interface Entry {
  namespace: string
  name: string
  bootId?: string
  config?: { containerImage: string; kernelVersion: string; modprobe: { moduleName?: string; parameters?: string[] } }
}

const nodeNameOf = (pod: ApiObject): string => (pod['spec'] as { nodeName?: string } | undefined)?.nodeName ?? ''

/** The Modules that want the same kernel module on a machine: one of them has it. */
function findRivals(world: World, design: Design, machine: Machine): Design[] {
  return [...world.designs.values()].filter(
    (each) =>
      each.name !== design.name &&
      each.kernelModule === design.kernelModule &&
      askOf(world, keyOfDesign(each), machine) !== 'release',
  )
}

/** What was left behind, or is never unloaded, and is not what is asked for, is in the way until the next boot. */
function isInTheWay(world: World, design: Design, machine: Machine): boolean {
  const { kernel } = machine
  const present = kernel.modules.get(design.kernelModule) ?? kernel.ofOwner(keyOfDesign(design))
  if (present === undefined) return false
  const isNever = design.policy === 'Never' || mayBeLeft(world, present.owner, machine)
  const isSame =
    present.owner === keyOfDesign(design) &&
    present.name === design.kernelModule &&
    isAsDesigned(design, present, kernel.release) &&
    present.digest === world.registry.find(present.image)
  return isNever && !isSame
}

function expectOf(world: World, key: string, machine: Machine): Expectation {
  const ask = askOf(world, key, machine)
  const design = world.designs.get(key)
  if (ask === 'release' || design === undefined) return 'out'
  const { node } = machine
  if (ask === 'keep' || node === undefined || isInTheWay(world, design, machine)) return 'either'
  if (world.registry.isLost(imageOf(design, machine.kernel.release))) return 'either'
  if (findRivals(world, design, machine).length > 0) return 'either'
  // Whether a tainted node got the Module before its taint is history.
  return listUntolerated(design, node).length > 0 ? 'either' : 'loaded'
}

function isOf(pod: ApiObject, key: string): boolean {
  const { labels = {}, namespace = '' } = pod.metadata
  return `${labels[moduleNamespaceLabel] ?? namespace}/${labels[moduleNameLabel] ?? ''}` === key
}

function look(world: World, key: string, machine: Machine): Seen {
  const { node, name } = machine
  const config = world.nodeConfig(name)
  const isIt = (item: { namespace: string; name: string }): boolean => `${item.namespace}/${item.name}` === key
  const own = world.store.list(pods).filter((pod) => nodeNameOf(pod) === name && isOf(pod, key))
  return {
    key,
    machine,
    node,
    labels: node?.metadata.labels ?? {},
    inserted: machine.kernel.ofOwner(key),
    entry: config?.spec?.modules?.find(isIt),
    loaded: config?.status?.modules?.find(isIt),
    workers: own.filter(({ metadata }) => metadata.labels?.[workerActionLabel] !== undefined),
    plugins: own.filter(({ metadata }) => metadata.labels?.[workerActionLabel] === undefined),
  }
}

const isReady = ({ labels, key }: Seen): boolean => {
  const [namespace = '', name = ''] = key.split('/')
  return labels[getKernelModuleReadyNodeLabel(namespace, name)] !== undefined
}

const hasLabel = ({ labels, key }: Seen, label: (namespace: string, name: string) => string): boolean => {
  const [namespace = '', name = ''] = key.split('/')
  return labels[label(namespace, name)] !== undefined
}

const versionReadyLabel = ({ key }: Seen): string => `kmm.node.kubernetes.io/${key.replace('/', '.')}.version.ready`

/** An administrator chooses a version for the node. */
function isAskedByVersion({ labels, key }: Seen, world: World): boolean {
  const isOrdered = world.module(key) !== undefined && world.designs.get(key)?.versioned === true
  return isOrdered && labels[`kmm.node.kubernetes.io/version-module.${key.replace('/', '.')}`] !== undefined
}

/** The labels by which an ordered upgrade leads a node; the administrator's own is not among them. */
function listVersionLabels({ labels, key }: Seen): string[] {
  const name = key.replace('/', '.')
  return Object.keys(labels).filter((label) =>
    [`version-worker-pod.${name}`, `version-schedule-pod.${name}`].some((end) => label.endsWith(`/${end}`)),
  )
}

/** Names what does not hold. */
const listFalse = (claims: Readonly<Record<string, boolean>>): string[] =>
  Object.keys(claims).filter((claim) => claims[claim] === false)

function judgeLoaded(seen: Seen, world: World): string[] {
  const design = world.designs.get(seen.key)
  if (design === undefined) return []
  const { inserted, machine, entry, loaded, workers, plugins, labels } = seen
  const { release, bootId } = machine.kernel
  const image = imageOf(design, release)
  const wantsPlugin = design.plugin > 0
  return listFalse({
    'the kernel has it as designed': inserted !== undefined && isAsDesigned(design, inserted, release),
    'the plan names it': entry?.config?.containerImage === image,
    'the plan has its parameters':
      (entry?.config?.modprobe.parameters ?? []).join(' ') === parametersOf(design).join(' '),
    'the status names it': loaded?.config?.containerImage === image,
    'the status is of the running boot': loaded?.bootId === bootId,
    'the node is labelled ready': isReady(seen),
    'no worker is left': workers.length === 0,
    'its plugin runs once, or not at all': plugins.length === (wantsPlugin ? 1 : 0),
    'the label of its plugin': hasLabel(seen, getDevicePluginReadyLabel) === (wantsPlugin && !design.dra),
    'the target label of its plugin': hasLabel(seen, getDevicePluginTargetLabel) === (wantsPlugin && !design.dra),
    'the label of its driver': hasLabel(seen, getDraReadyLabel) === (wantsPlugin && design.dra),
    'the label of its version':
      !world.wild || labels[versionReadyLabel(seen)] === (design.versioned ? versionOf(design) : undefined),
  })
}

function judgeOut(seen: Seen, world: World): string[] {
  const design = world.designs.get(seen.key)
  // A device plugin without a module runs wherever the selector says.
  const runsAlone = design?.loads === false && world.module(seen.key) !== undefined
  return listFalse({
    'nothing of it is in the kernel': seen.inserted === undefined || mayBeLeft(world, seen.key, seen.machine),
    'the plan does not name it': seen.entry === undefined,
    'the status does not name it': seen.loaded === undefined,
    'the node is not labelled ready': !isReady(seen),
    'no worker is left': seen.workers.length === 0,
    'no plugin is left': runsAlone || seen.plugins.length === 0,
    'no label of its plugin is left': runsAlone || !hasLabel(seen, getDevicePluginReadyLabel),
    'no label of its driver is left': runsAlone || !hasLabel(seen, getDraReadyLabel),
    'no label of its version is left': !world.wild || seen.labels[versionReadyLabel(seen)] === undefined,
    'no label lets its workers or plugins come':
      !world.wild || isAskedByVersion(seen, world) || listVersionLabels(seen).length === 0,
  })
}

/** What the plan names can be had, is for the kernel that runs, and nothing that was left behind is in its way. */
function isPossible({ config }: Entry, machine: Machine, world: World): boolean {
  if (config === undefined) return false
  const { containerImage, kernelVersion, modprobe } = config
  // What was planned for another kernel stays so where the node is not to have the Module's version yet.
  if (kernelVersion !== machine.kernel.release) return false
  const present = machine.kernel.modules.get(modprobe.moduleName ?? '')
  const isLeft = present !== undefined && mayBeLeft(world, present.owner, machine)
  return !isLeft && !world.registry.isLost(containerImage)
}

/** The label tells the truth: what the plan names is in the kernel, since this boot. */
function judgeEither(seen: Seen, world: World): string[] {
  const { entry, loaded, inserted, machine } = seen
  const isSo =
    inserted !== undefined &&
    inserted.image === entry?.config?.containerImage &&
    inserted.image === loaded?.config?.containerImage &&
    loaded.bootId === machine.kernel.bootId
  const mustBe = entry !== undefined && isPossible(entry, machine, world)
  return listFalse({
    'the ready label says what is so': isReady(seen) === isSo || mayBeLeft(world, seen.key, seen.machine),
    'the ready label does not stand for nothing': !isReady(seen) || inserted !== undefined,
    'what the plan names is loaded': !mustBe || isSo,
    'what is in the kernel is in the plan':
      inserted === undefined || entry !== undefined || mayBeLeft(world, seen.key, seen.machine),
  })
}

function judge(world: World, key: string, machine: Machine): string[] {
  const expectation = expectOf(world, key, machine)
  const seen = look(world, key, machine)
  const judges = { loaded: judgeLoaded, out: judgeOut, either: judgeEither }
  return judges[expectation](seen, world).map(
    (claim) => `${key} on ${machine.name} is to be ${expectation}, and it is not so that ${claim}`,
  )
}

/** Deletions that have not come to their end. */
function listTerminating({ store }: World): string[] {
  return store.resources.flatMap((resource) =>
    store
      .list(resource)
      .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
      .map(
        ({ metadata }) =>
          `${resource.plural} ${metadata.namespace ?? ''}/${metadata.name} is still being deleted, held by ${metadata.finalizers?.join(', ') ?? 'nothing'}`,
      ),
  )
}

/** Nodes about which nothing is to be said any more have no NodeModulesConfig. */
function listEmptyConfigs(world: World): string[] {
  return world.machines.flatMap(({ name }) => {
    const config = world.nodeConfig(name)
    const size = (config?.spec?.modules ?? []).length + (config?.status?.modules ?? []).length
    return config === undefined || size > 0 ? [] : [`NodeModulesConfig ${name} says nothing and is still there`]
  })
}

/** What the Module's status counts is what the nodes say. */
function listWrongCounts(world: World): string[] {
  return moduleNames.map(keyOfDesign).flatMap((key) => {
    const module = world.module(key)
    if (module?.spec?.moduleLoader === undefined) return []
    const ready = world.machines.filter((machine) => isReady(look(world, key, machine))).length
    const counted = module.status?.moduleLoader?.availableNumber ?? 0
    return ready === counted ? [] : [`the status of ${key} counts ${counted} nodes, and ${ready} are ready`]
  })
}

/** Says, from the facts of the world alone, what is not as it must be once everything is at rest. */
export function listProblems(world: World): string[] {
  const all = moduleNames
    .map(keyOfDesign)
    .flatMap((key) => world.machines.flatMap((machine) => judge(world, key, machine)))
  return [
    ...all,
    ...(world.wild ? listObjectProblems(world) : []),
    ...listTerminating(world),
    ...listEmptyConfigs(world),
    ...listWrongCounts(world),
  ]
}
