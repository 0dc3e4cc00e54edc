import { containsModulesLabel, moduleNameLabel } from '../../src/api/labels.ts'
import { moduleImagesConfigs, preflightValidations } from '../../src/api/resources.ts'
import type { ApiObject } from '../../src/sandbox/apiserver/object.ts'
import { daemonSets, namespaces } from '../../src/sandbox/controllers/controller.ts'
import { classOf, type Design, imageOf, keyOfDesign, moduleNames, versionOf } from './design.ts'
import type { World } from './world.ts'

const deviceClasses = { group: 'resource.k8s.io', plural: 'deviceclasses' }

const keyOf = ({ metadata }: ApiObject): string => `${metadata.namespace ?? ''}/${metadata.name}`

/** The designs whose Modules are there to stay. */
function listStanding(world: World): Design[] {
  return [...world.designs.values()].filter((design) => {
    const module = world.module(keyOfDesign(design))
    return module !== undefined && module.metadata.deletionTimestamp === undefined
  })
}

/** A node is to have the version of the DaemonSet. */
function isAwaited({ metadata }: ApiObject, design: Design, { machines }: World): boolean {
  const name = `${design.namespace}.${design.name}`
  const version = metadata.labels?.[`beta.kmm.node.kubernetes.io/version-schedule-pod.${name}`]
  const labels = ['schedule', 'worker'].map((which) => `beta.kmm.node.kubernetes.io/version-${which}-pod.${name}`)
  const isLed = machines.some(({ node }) => labels.some((label) => node?.metadata.labels?.[label] === version))
  return version === versionOf(design) || isLed
}

/** A Module with a device plugin or driver has one DaemonSet of it, and in an upgrade those of versions that are left. */
function listDaemonSetProblems(world: World, standing: readonly Design[]): string[] {
  const all = world.store.list(daemonSets)
  return moduleNames.flatMap((base) => {
    const key = keyOfDesign(base)
    const design = standing.find((each) => keyOfDesign(each) === key)
    const own = all.filter(
      ({ metadata }) => `${metadata.namespace}/${metadata.labels?.[moduleNameLabel] ?? ''}` === key,
    )
    if (design === undefined || design.plugin === 0)
      return own.map((each) => `DaemonSet ${keyOf(each)} is left, and Module ${key} has no plugin`)
    const image = `registry.model/plugin:v${design.plugin}`
    const current = own.filter((each) => JSON.stringify(each['spec']).includes(`"${image}"`))
    if (current.length === 0) return [`Module ${key} has no DaemonSet of ${image}`]
    const isRight = design.versioned ? own.every((each) => isAwaited(each, design, world)) : own.length === 1
    return isRight ? [] : [`Module ${key} has the DaemonSets ${own.map(keyOf).join(', ')}`]
  })
}

function listClassProblems(world: World, standing: readonly Design[]): string[] {
  const wanted = standing.filter(({ dra, plugin }) => dra && plugin > 0).map(classOf)
  const present = world.store.list(deviceClasses).map(({ metadata }) => metadata.name)
  return [
    ...wanted.filter((name) => !present.includes(name)).map((name) => `there is no DeviceClass ${name}`),
    ...present.filter((name) => !wanted.includes(name)).map((name) => `DeviceClass ${name} is left`),
  ]
}

/** Its images are asked for, for the kernels of the nodes that it selects, and no others. */
function listImageProblems(world: World, standing: readonly Design[]): string[] {
  return standing.flatMap((design) => {
    const key = keyOfDesign(design)
    const [namespace = '', name = ''] = key.split('/')
    const config = world.store.find(moduleImagesConfigs, { namespace, name })
    const spec = (config?.['spec'] ?? {}) as { images?: { image: string }[] }
    const asked = (spec.images ?? []).map(({ image }) => image).sort()
    const selected = world.machines.filter(({ node }) =>
      Object.entries(design.selector).every(([label, value]) => node?.metadata.labels?.[label] === value),
    )
    const running = new Set(selected.map(({ kernel }) => kernel.release))
    const wanted = design.kernels.filter((kernel) => design.loads && running.has(kernel))
    const images = wanted.map((kernel) => imageOf(design, kernel)).sort()
    return images.join() === asked.join() ? [] : [`${key} asks for the images ${asked.join()}, not ${images.join()}`]
  })
}

interface Verdict {
  namespace: string
  name: string
  verificationStage: string
  verificationStatus: string
}

/** The model's images are empty: a Module passes only where it loads nothing. */
function listPreflightProblems(world: World, standing: readonly Design[]): string[] {
  const wanted = standing
    .map((design) => `${keyOfDesign(design)} Done ${design.loads ? 'Failure' : 'Success'}`)
    .sort()
    .join()
  return world.store.list(preflightValidations).flatMap((preflight) => {
    const { modules = [] } = (preflight['status'] ?? {}) as { modules?: Verdict[] }
    const told = modules
      .map((each) => `${each.namespace}/${each.name} ${each.verificationStage} ${each.verificationStatus}`)
      .sort()
      .join()
    return told === wanted ? [] : [`PreflightValidation ${preflight.metadata.name} says ${told}, not ${wanted}`]
  })
}

/** ModuleImagesConfigs are those of Modules and of preflights that are there. */
function listLeftImages(world: World, standing: readonly Design[]): string[] {
  const owners = new Set([
    ...standing.map((design) => world.module(keyOfDesign(design))?.metadata.uid),
    ...world.store.list(preflightValidations).map(({ metadata }) => metadata.uid),
  ])
  return world.store
    .list(moduleImagesConfigs)
    .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => owners.has(uid)) !== true)
    .map((config) => `ModuleImagesConfig ${keyOf(config)} is left`)
}

function listNamespaceProblems(world: World, standing: readonly Design[]): string[] {
  return world.store.list(namespaces).flatMap(({ metadata }) => {
    const has = standing.some(({ namespace }) => namespace === metadata.name)
    const says = metadata.labels?.[containsModulesLabel] !== undefined
    return has === says ? [] : [`namespace ${metadata.name} ${says ? 'says' : 'does not say'} that it holds Modules`]
  })
}

/** Every Module is held until nothing of it is left; every object for one names it rightly. */
function listUnheld(world: World, standing: readonly Design[]): string[] {
  return standing
    .filter((design) => (world.module(keyOfDesign(design))?.metadata.finalizers ?? []).length === 0)
    .map((design) => `Module ${keyOfDesign(design)} carries no finalizer`)
}

/** Says what is not as it must be of the objects besides nodes and kernels. */
export function listObjectProblems(world: World): string[] {
  const standing = listStanding(world)
  return [
    listDaemonSetProblems,
    listClassProblems,
    listImageProblems,
    listPreflightProblems,
    listLeftImages,
    listNamespaceProblems,
    listUnheld,
  ].flatMap((list) => list(world, standing))
}
