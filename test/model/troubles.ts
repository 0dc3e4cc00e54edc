import { moduleImagesConfigs, modules, nodeModulesConfigs, preflightValidations } from '../../src/api/resources.ts'
import { workerActionLabel } from '../../src/api/labels.ts'
import { daemonSets, keyOfObject, pods, remove } from '../../src/sandbox/controllers/controller.ts'
import { wildChanges } from './changes.ts'
import { kernels, keyOfDesign } from './design.ts'
import type { World } from './world.ts'

/** Does something to the world; answers what, or undefined when it cannot be done now. */
export type Step = (world: World) => string | undefined

/** A leader goes while it is at work, and another one follows. */
const handOver: Step = (world) => {
  if (world.operator?.leads !== true) return undefined
  const afterMs = world.chance.pick([50, 1_000, 5_000])
  world.handOver(afterMs)
  return `another operator takes over in ${afterMs} ms`
}

/** Deletes a Module and makes it again, the same or another one, as soon as it is gone. */
const remakeModule: Step = (world) => {
  const { chance } = world
  const present = [...world.designs.values()].filter(
    (design) =>
      world.module(keyOfDesign(design))?.metadata.deletionTimestamp === undefined && world.module(keyOfDesign(design)),
  )
  if (present.length === 0) return undefined
  const design = chance.pick(present)
  const changed = chance.happens(0.5) ? chance.pick(wildChanges)(design, world) : {}
  const next = { ...design, ...changed }
  if (next.versioned && !next.loads) return undefined
  world.remakes.set(keyOfDesign(design), next)
  world.store.delete(modules, { namespace: design.namespace, name: design.name })
  return `delete Module ${keyOfDesign(design)}, and make it again: ${JSON.stringify(changed)}`
}

/** Changes a Module, and takes it back before it is done everywhere. */
const changeMind: Step = (world) => {
  const { chance } = world
  const present = [...world.designs.values()].filter((design) => world.module(keyOfDesign(design)))
  if (present.length === 0) return undefined
  const design = chance.pick(present)
  const changed = chance.pick(wildChanges)(design, world)
  const wanted = { ...design, ...changed }
  if ((design.versioned && !wanted.loads) || !world.apply(wanted)) return undefined
  const backMs = chance.pick([30, 400, 2_000, 8_000, 40_000])
  const busy = chance.happens(0.5) ? world.machines.filter(() => chance.happens(0.5)) : []
  for (const machine of busy) machine.busy = true
  world.time.setTimeout(() => {
    for (const machine of busy) machine.busy = false
    if (world.designs.get(keyOfDesign(design)) === wanted && world.module(keyOfDesign(design))) world.apply(design)
  }, backMs)
  return `change Module ${keyOfDesign(design)} for ${backMs} ms: ${JSON.stringify(changed)}`
}

/** Another version is asked for before the last one is everywhere. */
const upgradeTwice: Step = (world) => {
  const { chance } = world
  const design = [...world.designs.values()].find(({ versioned }) => versioned)
  if (design === undefined || world.module(keyOfDesign(design)) === undefined) return undefined
  const key = `kmm.node.kubernetes.io/version-module.${design.namespace}.${design.name}`
  const upgrade = (): void => {
    const present = world.designs.get(keyOfDesign(design)) ?? design
    const next = { ...present, tag: (present.tag % 3) + 1 }
    if (!present.versioned || world.module(keyOfDesign(design)) === undefined || !world.apply(next)) return
    for (const { name } of world.machines.filter(() => chance.happens(0.8)))
      world.changeNode(name, ({ metadata }) => {
        metadata.labels = { ...metadata.labels, [key]: `v${next.tag}` }
      })
  }
  upgrade()
  const afterMs = chance.pick([20, 300, 1_500, 6_000])
  world.time.setTimeout(upgrade, afterMs)
  return `upgrade ${keyOfDesign(design)} twice, ${afterMs} ms apart`
}

/** The Node alone is deleted: its kubelet makes it anew, in the same boot. */
const remakeNode: Step = (world) => {
  const found = world.machines.filter(({ node, up, connected }) => node !== undefined && up && connected)
  if (found.length === 0) return undefined
  const machine = world.chance.pick(found)
  const awayMs = world.chance.pick([50, 1_000, 6_000, 20_000])
  // With its NodeModulesConfig goes all that is known of its kernel.
  world.forgetLoads(machine)
  machine.loseNodeObject(awayMs)
  return `Node ${machine.name} is deleted, and made anew after ${awayMs / 1000} s`
}

/** Those of ordered upgrades aside, which are the consent itself. */
const isOwnLabel = (key: string): boolean => key.includes('kmm.node.kubernetes.io/') && !key.includes('/version-')

/** Somebody takes a label of the operator's off a node. */
const stripLabel: Step = (world) => {
  const { name } = world.chance.pick(world.machines)
  let gone: string | undefined
  world.changeNode(name, ({ metadata }) => {
    const own = Object.keys(metadata.labels ?? {}).filter(isOwnLabel)
    if (own.length === 0) return
    gone = world.chance.pick(own)
    const { [gone]: _gone, ...others } = metadata.labels ?? {}
    metadata.labels = others
  })
  return gone && `somebody takes the label ${gone} off ${name}`
}

/** Somebody deletes an object that the operator made. */
const deleteObject: Step = (world) => {
  const { chance, store } = world
  const resource = chance.pick([daemonSets, moduleImagesConfigs, pods])
  const own = store
    .list(resource)
    .filter(
      ({ metadata }) => metadata.deletionTimestamp === undefined && metadata.labels?.[workerActionLabel] === undefined,
    )
  if (own.length === 0) return undefined
  const object = chance.pick(own)
  remove(store, resource, object)
  return `somebody deletes ${resource.plural} ${object.metadata.namespace}/${object.metadata.name}`
}

/** Somebody deletes what says what is on a node. */
const deleteNodeConfig: Step = (world) => {
  const { chance, store } = world
  const found = world.machines.filter(({ name }) => world.nodeConfig(name) !== undefined)
  if (found.length === 0) return undefined
  const machine = chance.pick(found)
  // The operator remembers it, and nobody else.
  world.loseConfig(machine)
  store.delete(nodeModulesConfigs, { name: machine.name })
  return `somebody deletes NodeModulesConfig ${machine.name}`
}

const preflight: Step = (world) => {
  const { chance, store } = world
  const name = chance.pick(['next', 'after-next'])
  const found = store.find(preflightValidations, { name })
  if (found) {
    store.delete(preflightValidations, keyOfObject(found))
    return `delete PreflightValidation ${name}`
  }
  const kernelVersion = chance.pick(kernels)
  const spec = { kernelVersion }
  const apiVersion = 'kmm.sigs.x-k8s.io/v1beta2'
  store.create(preflightValidations, { apiVersion, kind: 'PreflightValidation', metadata: { name }, spec })
  return `create PreflightValidation ${name} for ${kernelVersion}`
}

/** What is done by others, and in the middle of other things; how often each comes. */
export const troubles: readonly (readonly [number, string, Step])[] = [
  [4, 'handOver', handOver],
  [4, 'remakeModule', remakeModule],
  [5, 'changeMind', changeMind],
  [3, 'upgradeTwice', upgradeTwice],
  [2, 'remakeNode', remakeNode],
  [3, 'stripLabel', stripLabel],
  [3, 'deleteObject', deleteObject],
  [2, 'deleteNodeConfig', deleteNodeConfig],
  [4, 'preflight', preflight],
]
