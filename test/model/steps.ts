import { modules } from '../../src/api/resources.ts'
import { workerActionLabel } from '../../src/api/labels.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { keyOfObject, namespaces, pods, remove as removeObject } from '../../src/sandbox/controllers/controller.ts'
import { type Design, imageOf, kernels, keyOfDesign, maintenanceTaint, moduleNames, tags } from './design.ts'
import { changes, selectors, wildChanges } from './changes.ts'
import type { Machine } from './machine.ts'
import { type Step, troubles } from './troubles.ts'
import type { World } from './world.ts'

function newDesign({ chance, wild }: World, base: (typeof moduleNames)[number], traits: ModelTraits): Design {
  const [isAlpha, isGamma] = [base.name === 'alpha', base.name === 'gamma']
  return {
    ...base,
    kernelModule: isGamma && traits.twin ? 'beta_mod' : base.kernelModule,
    selector: chance.pick(selectors),
    loads: true,
    kernels: chance.happens(0.3) ? kernels : kernels.slice(0, 2),
    tag: chance.pick(tags),
    parameters: chance.between(0, 1),
    pullPolicy: chance.pick(['Always', 'IfNotPresent'] as const),
    tolerates: chance.happens(0.2),
    plugin: isAlpha || chance.happens(0.1) ? 1 : 0,
    dra: wild && chance.happens(0.25),
    versioned: base.name === 'beta' && traits.versioned,
    policy: isGamma ? traits.policy : undefined,
  }
}

/** What differs from run to run. */
export interface ModelTraits {
  /** `beta` is upgraded in order. */
  versioned: boolean
  /** The unload policy of `gamma`. */
  policy: Design['policy']
  /** `gamma` asks for the kernel module of `beta`. */
  twin: boolean
}

const pickMachine = (world: World, is: (machine: Machine) => boolean): Machine | undefined => {
  const found = world.machines.filter(is)
  return found.length === 0 ? undefined : world.chance.pick(found)
}

const isRunning = ({ up, connected }: Machine): boolean => up && connected

function createModule(world: World, traits: ModelTraits): string | undefined {
  const missing = moduleNames.filter((base) => world.module(keyOfDesign(base)) === undefined)
  if (missing.length === 0) return undefined
  const design = newDesign(world, world.chance.pick(missing), traits)
  return world.apply(design) ? `create Module ${JSON.stringify(design)}` : undefined
}

function changeModule(world: World): string | undefined {
  const present = [...world.designs.values()].filter((design) => world.module(keyOfDesign(design)))
  if (present.length === 0) return undefined
  const design = world.chance.pick(present)
  const changed = world.chance.pick(world.wild ? wildChanges : changes)(design, world)
  const wanted = { ...design, ...changed }
  // The webhook refuses to take a version away.
  if (design.versioned && !wanted.loads) return undefined
  return world.apply(wanted) ? `change Module ${keyOfDesign(design)}: ${JSON.stringify(changed)}` : undefined
}

function deleteModule(world: World): string | undefined {
  const present = world.store.list(modules).filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  if (present.length === 0) return undefined
  const module = world.chance.pick(present)
  world.store.delete(modules, keyOfObject(module))
  return `delete Module ${module.metadata.namespace}/${module.metadata.name}`
}

const cordon: Step = (world) => {
  const name = world.chance.pick(world.machines).name
  let now = false
  const done = world.changeNode(name, ({ spec }) => {
    now = spec['unschedulable'] !== true
    if (now) spec['unschedulable'] = true
    else delete spec['unschedulable']
  })
  return done ? `${now ? 'cordon' : 'uncordon'} ${name}` : undefined
}

const taint: Step = (world) => {
  const name = world.chance.pick(world.machines).name
  const effect = world.chance.pick(['NoSchedule', 'NoExecute'])
  let now = false
  const done = world.changeNode(name, ({ spec }) => {
    const present = (spec['taints'] ?? []) as { key: string; effect: string }[]
    const others = present.filter(({ key }) => key !== maintenanceTaint)
    now = others.length === present.length
    spec['taints'] = now ? [...others, { key: maintenanceTaint, effect }] : others
  })
  return done ? `${now ? `taint (${effect})` : 'untaint'} ${name}` : undefined
}

function changeLabel(world: World, name: string, key: string, values: readonly string[]): string | undefined {
  let now: string | undefined
  const done = world.changeNode(name, ({ metadata }) => {
    const { [key]: present, ...labels } = metadata.labels ?? {}
    const others = [...values, undefined].filter((value) => value !== present)
    now = world.chance.pick(others)
    metadata.labels = now === undefined ? labels : { ...labels, [key]: now }
  })
  return done ? `label ${name}: ${key}=${now ?? '(none)'}` : undefined
}

const relabel: Step = (world) => {
  const [key, values] = world.chance.pick([['role', ['worker', 'edge']] as const, ['tier', ['gold']] as const])
  return changeLabel(world, world.chance.pick(world.machines).name, key, values)
}

const chooseVersion: Step = (world) => {
  const design = [...world.designs.values()].find(({ versioned }) => versioned)
  if (design === undefined) return undefined
  const key = `kmm.node.kubernetes.io/version-module.${design.namespace}.${design.name}`
  const machine = world.chance.pick(world.machines)
  return changeLabel(
    world,
    machine.name,
    key,
    world.chance.happens(0.7) ? [`v${design.tag}`] : tags.map((tag) => `v${tag}`),
  )
}

/** An upgrade as the documentation has it: the Module's version, then the label on every node. */
const chooseVersionEverywhere: Step = (world) => {
  const design = [...world.designs.values()].find(({ versioned }) => versioned)
  if (design === undefined) return undefined
  const key = `kmm.node.kubernetes.io/version-module.${design.namespace}.${design.name}`
  for (const { name } of world.machines)
    world.changeNode(name, ({ metadata }) => {
      metadata.labels = { ...metadata.labels, [key]: `v${design.tag}` }
    })
  return `label all nodes: ${key}=v${design.tag}`
}

const reboot: Step = (world) => {
  const { chance } = world
  const machine = pickMachine(world, isRunning)
  if (machine === undefined) return undefined
  const release = chance.happens(0.6) ? machine.kernel.release : chance.pick(kernels)
  const downMs = chance.pick([1_000, 8_000, 60_000])
  machine.reboot({ release, downMs })
  return `reboot ${machine.name} into ${release}, down for ${downMs / 1000} s`
}

const loseNode: Step = (world) => {
  const machine = pickMachine(world, isRunning)
  if (machine === undefined) return undefined
  const how = world.chance.pick(['network', 'power'] as const)
  machine.vanish(how)
  return `${machine.name} loses its ${how}`
}

const scrapNode: Step = (world) => {
  const machine = pickMachine(world, ({ node }) => node !== undefined)
  if (machine === undefined) return undefined
  machine.scrap()
  return `${machine.name} is deleted, and the machine with it`
}

const returnNode: Step = (world) => {
  const machine = pickMachine(world, (each) => !each.connected)
  if (machine === undefined) return undefined
  machine.comeBack()
  return `${machine.name} comes back`
}

const killOperator: Step = (world) => {
  const { chance, operator } = world
  if (operator === undefined) return undefined
  world.killOperators()
  const absenceMs = chance.pick([0, 200, 5_000, 120_000])
  world.time.setTimeout(() => world.startOperator(), absenceMs)
  return `kill the operator, for ${absenceMs / 1000} s`
}

const loseImage: Step = (world) => {
  const { chance, registry } = world
  if (chance.happens(0.4)) {
    registry.reachable = !registry.reachable
    return `the registry is ${registry.reachable ? 'back' : 'away'}`
  }
  const image = imageOf({ name: chance.pick(moduleNames).name, tag: chance.pick(tags) }, chance.pick(kernels))
  if (registry.isLost(image)) return undefined
  registry.lose(image)
  return `image ${image} is lost`
}

const moveTag: Step = (world) => {
  const designs = [...world.designs.values()]
  if (designs.length === 0) return undefined
  const image = imageOf(world.chance.pick(designs), world.chance.pick(kernels))
  world.registry.push(image, world.chance.between(2, 9))
  return `another image is pushed as ${image}`
}

const deleteNamespace: Step = (world) => {
  const name = world.chance.pick(['red', 'blue'])
  const found = world.store.find(namespaces, { name })
  if (found === undefined || found.metadata.deletionTimestamp !== undefined) return undefined
  world.store.delete(namespaces, { name })
  return `delete namespace ${name}`
}

const deleteWorker: Step = (world) => {
  const workers = world.store.list(pods).filter(({ metadata }) => metadata.labels?.[workerActionLabel] !== undefined)
  if (workers.length === 0) return undefined
  const pod = world.chance.pick(workers)
  removeObject(world.store, pods, pod)
  return `delete pod ${pod.metadata.name}`
}

const useModules: Step = (world) => {
  const machine = world.chance.pick(world.machines)
  machine.busy = !machine.busy
  return `modules on ${machine.name} are ${machine.busy ? '' : 'not '}in use`
}

const changeWeather: Step = (world) => {
  const { chance, weather } = world
  weather.failures = chance.pick([0, 0.03, 0.3])
  weather.slowKinds.clear()
  const kinds = ['nodes', 'modules', 'nodemodulesconfigs', 'moduleimagesconfigs', 'pods', 'daemonsets', 'namespaces']
  if (chance.happens(0.6)) weather.slowKinds.add(chance.pick(kinds))
  return `${weather.failures * 100} % of the writes fail, slow: ${[...weather.slowKinds].join(', ') || 'nothing'}`
}

const breakWatches: Step = (world) => {
  const how = world.chance.pick(['closed', 'expired'] as const)
  world.operator?.client.breakWatches(how)
  return `all watches end: ${how}`
}

/** How often each step comes. */
function listSteps(traits: ModelTraits, wild: boolean): readonly (readonly [number, string, Step])[] {
  return [
    [14, 'createModule', (world) => createModule(world, traits)],
    [12, 'changeModule', changeModule],
    [6, 'deleteModule', deleteModule],
    [4, 'cordon', cordon],
    [4, 'taint', taint],
    [5, 'relabel', relabel],
    [traits.versioned ? 5 : 0, 'chooseVersion', chooseVersion],
    [traits.versioned ? 8 : 0, 'chooseVersionEverywhere', chooseVersionEverywhere],
    [7, 'reboot', reboot],
    [3, 'loseNode', loseNode],
    [2, 'scrapNode', scrapNode],
    [4, 'returnNode', returnNode],
    [5, 'killOperator', killOperator],
    [3, 'loseImage', loseImage],
    [3, 'moveTag', moveTag],
    [2, 'deleteNamespace', deleteNamespace],
    [2, 'deleteWorker', deleteWorker],
    [2, 'useModules', useModules],
    [2, 'changeWeather', changeWeather],
    [2, 'breakWatches', breakWatches],
    ...(wild ? troubles : []),
  ]
}

/** Most lives begin with Modules that are there already. */
export function begin(world: World, traits: ModelTraits): string[] {
  const { chance } = world
  const made = moduleNames.map(() => (chance.happens(0.6) ? createModule(world, traits) : undefined))
  const chosen = traits.versioned && chance.happens(0.7) ? chooseVersionEverywhere(world) : undefined
  return [...made, chosen].flatMap((said) => said ?? [])
}

/** Draws the next step and does it; answers its name, and what it was. */
export function takeStep(world: World, traits: ModelTraits): { name: string; said: string } {
  const steps = listSteps(traits, world.wild)
  const total = steps.reduce((sum, [weight]) => sum + weight, 0)
  for (let attempt = 0; attempt < 50; attempt++) {
    let at = world.chance.between(1, total)
    const found = steps.find(([weight]) => (at -= weight) <= 0)
    const said = found?.[2](world)
    if (found && said !== undefined) return { name: found[1], said }
  }
  return { name: 'nothing', said: 'nothing' }
}

/** Mends what the world owes, so that everything can come to its end; what was asked for stays. */
export function repair(world: World): void {
  const { chance, weather, registry } = world
  weather.failures = 0
  weather.slowKinds.clear()
  world.flakiness = 0
  registry.reachable = true
  if (chance.happens(0.7)) registry.restoreAll()
  for (const machine of world.machines) {
    machine.busy = false
    if (!machine.connected) machine.comeBack()
  }
  if (chance.happens(0.2)) world.killOperators()
  world.time.setTimeout(() => world.startOperator(), 1_000)
  if (chance.happens(0.5)) for (const { name } of world.machines) clearTaints(world, name)
}

function clearTaints(world: World, name: string): void {
  world.changeNode(name, ({ spec }: ApiObject & { spec: Record<string, unknown> }) => {
    const present = (spec['taints'] ?? []) as { key: string }[]
    spec['taints'] = present.filter(({ key }) => key !== maintenanceTaint)
    delete spec['unschedulable']
  })
}
