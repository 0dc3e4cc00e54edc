import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { markDeleted } from '../../../test/builders/module.ts'
import {
  kernels,
  kindOf,
  kinds,
  type Kind,
  makes,
  type Truth,
  truths,
  World,
} from '../../../test/builders/preflight-world.ts'
import type { Module } from '../../api/module.ts'
import type { PreflightModuleStatus, PreflightValidation } from '../../api/preflight-validation.ts'
import { findPreflight } from '../cluster/images-config.ts'
import { nameConfig } from './config-name.ts'

const minute = 60_000

type Told = Pick<PreflightModuleStatus, 'name' | 'verificationStatus'> & { words: string }

function expectImage(kind: Kind, truth: Truth): [PreflightModuleStatus['verificationStatus'], string] {
  switch (truth) {
    case 'fits':
      return ['Success', 'verified image exists']
    case 'wrong':
      return ['Failure', 'verified image cannot be used']
    case 'refused':
      return ['Failure', 'verified image cannot be looked at']
    case 'missing':
      return makes(kind) ? ['Success', 'verified image exists'] : ['Failure', 'verified image does not exist']
    case 'unmakeable':
      return ['Failure', `verified image does not exist${makes(kind) ? ' and build/sign failed' : ''}`]
  }
}

const imageOf = ({ spec }: Module, kernel: string): string =>
  (spec?.moduleLoader?.container.kernelMappings?.[0]?.containerImage ?? '').replace('${KERNEL_FULL_VERSION}', kernel)

/** What a preflight has to say in the end. */
function expectStatus(world: World, { spec }: PreflightValidation): Told[] {
  return [...world.modules.values()]
    .filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    .map((module): Told => {
      const [{ name }, kind] = [module.metadata, kindOf(module)]
      if (kind === 'plugin') return { name, verificationStatus: 'Success', words: 'no image to verify' }
      if (kind === 'unmapped') return { name, verificationStatus: 'Failure', words: 'mapping not found' }
      if (kind === 'broken') return { name, verificationStatus: 'Failure', words: 'mapping cannot be used' }
      const [verificationStatus, words] = expectImage(kind, world.truthOf(imageOf(module, spec.kernelVersion)))
      return { name, verificationStatus, words }
    })
    .toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

/** Checks that nothing is left to do, and that statuses and ModuleImagesConfigs are as the world is. */
function checkRest(world: World): void {
  const asked: string[] = []
  for (const [name, preflight] of world.preflights) {
    expect(world.actionsOf(name)).toEqual([])
    const told = (preflight.status?.modules ?? []).map(
      ({ name: module, verificationStatus, statusReason = '' }): Told => ({
        name: module,
        verificationStatus,
        words: statusReason.split(':')[0] ?? '',
      }),
    )
    expect(told).toEqual(expectStatus(world, preflight))
    for (const module of world.modules.values())
      if (
        module.metadata.deletionTimestamp === undefined &&
        ['plain', 'build', 'sign', 'both'].includes(kindOf(module))
      )
        asked.push(
          [
            preflight.metadata.uid,
            preflight.spec.pushBuiltImage === true,
            imageOf(module, preflight.spec.kernelVersion),
          ].join(' '),
        )
  }
  const present = [...world.configs.values()].map((config) =>
    [findPreflight(config)?.uid, config.spec?.pushBuiltImage, config.spec?.images?.map(({ image }) => image)].join(' '),
  )
  expect(present.toSorted()).toEqual(asked.toSorted())
  for (const key of world.configs.keys()) expect(world.modules.has(key.split('/')[1] ?? '')).toBe(false)
}

type Happening = (world: World) => void

const nameArbitrary = fc.constantFrom('m0', 'm1', 'm2')
const preflightArbitrary = fc.constantFrom('a', 'b', 'c')
const specArbitrary = fc.record({ kernelVersion: fc.constantFrom(...kernels), pushBuiltImage: fc.boolean() })
const tags = ['v1', 'v2'] as const
const truthArbitrary = fc.constantFrom<Truth>('fits', 'wrong', ...truths)

const pickConfig = (world: World, index: number): string => [...world.configs.keys()][index % world.configs.size] ?? ''

/** Takes a name that a preflight would give. */
function takeName(world: World, preflight: string, module: string): void {
  const uid = world.preflights.get(preflight)?.metadata.uid ?? ''
  const name = nameConfig({ namespace: 'ns', name: module }, uid, () => false)
  world.setModule(name, 'plain', 'v1')
}

const stale = (name: string, said: number): PreflightModuleStatus => {
  const entries = [
    ['Success', 'Done', 'verified image exists: registry.test/old:v1: it was fine'],
    ['Failure', 'Done', 'mapping not found: no kernelMappings fit'],
    ['Success', 'Done', 'no image to verify: the Module has no moduleLoader'],
    ['InProgress', 'Image', 'verification is not finished yet'],
  ] as const
  const [verificationStatus, verificationStage, statusReason] = entries[said % entries.length] ?? entries[3]
  const lastTransitionTime = '2029-12-31T00:00:00Z'
  return { namespace: 'ns', name, verificationStatus, verificationStage, statusReason, lastTransitionTime }
}

const often: readonly fc.Arbitrary<Happening>[] = [
  fc.tuple(preflightArbitrary, fc.nat(9)).map(
    ([name, choice]): Happening =>
      (world) =>
        world.pass(name, choice),
  ),
  fc.tuple(fc.nat(9), fc.boolean()).map(
    ([index, isHalfway]): Happening =>
      (world) =>
        world.runImages(pickConfig(world, index), isHalfway),
  ),
  fc.nat(9).map(
    (index): Happening =>
      (world) =>
        world.look(pickConfig(world, index)),
  ),
  fc.constantFrom(100, 2_000, 5 * minute).map(
    (ms): Happening =>
      (world) =>
        void (world.nowMs += ms),
  ),
]

const changes: readonly fc.Arbitrary<Happening>[] = [
  fc.tuple(nameArbitrary, fc.constantFrom(...kinds), fc.constantFrom(...tags), fc.boolean()).map(
    ([name, kind, tag, isAnew]): Happening =>
      (world) =>
        world.setModule(name, kind, tag, isAnew),
  ),
  fc.tuple(nameArbitrary, fc.constantFrom(...tags), fc.constantFrom(...kernels), truthArbitrary).map(
    ([name, tag, kernel, truth]): Happening =>
      (world) =>
        void world.registry.set(`registry.test/${name}:${tag}-${kernel}`, truth),
  ),
]

const seldom: readonly fc.Arbitrary<Happening>[] = [
  nameArbitrary.map(
    (name): Happening =>
      (world) =>
        void world.modules.delete(name),
  ),
  nameArbitrary.map(
    (name): Happening =>
      (world) => {
        const module = world.modules.get(name)
        if (module !== undefined) world.modules.set(name, markDeleted(module))
      },
  ),
  fc.tuple(preflightArbitrary, specArbitrary).map(
    ([name, spec]): Happening =>
      (world) =>
        world.setPreflight(name, spec),
  ),
  preflightArbitrary.map(
    (name): Happening =>
      (world) =>
        world.deletePreflight(name),
  ),
  fc.tuple(preflightArbitrary, nameArbitrary).map(
    ([preflight, module]): Happening =>
      (world) =>
        takeName(world, preflight, module),
  ),
  fc.tuple(preflightArbitrary, specArbitrary, nameArbitrary, fc.nat(3)).map(
    ([preflight, spec, module, said]): Happening =>
      (world) =>
        world.setPreflight(preflight, spec, [stale(module, said), stale('gone', said)]),
  ),
  fc.nat(9).map(
    (index): Happening =>
      (world) =>
        world.forget(pickConfig(world, index)),
  ),
  fc.boolean().map(
    (isAway): Happening =>
      (world) =>
        void (world.isAway = isAway),
  ),
  fc.constant<Happening>((world) => world.restart()),
]

const happenings = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.oneof(...often) },
    { weight: 1, arbitrary: fc.oneof(...changes) },
    { weight: 1, arbitrary: fc.oneof(...seldom) },
  ),
  { maxLength: 30 },
)

const starts = fc.array(fc.tuple(fc.constantFrom(...kinds), truthArbitrary, truthArbitrary), {
  minLength: 3,
  maxLength: 3,
})

/** Modules `m0`, `m1` and so on, with the truth about their first image and the next. */
function begin(modules: readonly (readonly [Kind, Truth, Truth])[]): World {
  const world = new World()
  for (const [index, [kind, ...known]] of modules.entries()) {
    world.setModule(`m${index}`, kind, 'v1')
    for (const kernel of kernels)
      for (const [at, truth] of known.entries())
        world.registry.set(`registry.test/m${index}:${tags[at]}-${kernel}`, truth)
  }
  world.setPreflight('a', { kernelVersion: kernels[0], pushBuiltImage: false })
  world.setPreflight('b', { kernelVersion: kernels[0], pushBuiltImage: true })
  world.setPreflight('c', { kernelVersion: kernels[1] })
  return world
}

describe('preflights, from any mixture of Modules and images, with one write a pass', () => {
  it('come to rest with statuses that are true, and a restart writes nothing', { timeout: 120_000 }, () => {
    const twice = fc.tuple(happenings, happenings)
    const choices = fc.array(fc.nat(5), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(starts, twice, choices, (modules, lists, chosen) => {
        const world = begin(modules)
        for (const list of lists) {
          for (const happen of list) happen(world)
          world.isAway = false
          world.settle(chosen)
          checkRest(world)
        }
        const { writes } = world
        world.restart()
        world.settle(chosen)
        checkRest(world)
        expect(world.writes).toBe(writes)
      }),
      { numRuns: 50 },
    )
  })

  it('come to rest from each kind of Module with each image', () => {
    for (const kind of kinds)
      for (const truth of truths) {
        const world = begin([
          [kind, truth, truth],
          ['plain', 'fits', 'fits'],
          ['both', 'missing', 'fits'],
        ])
        world.settle([2])
        checkRest(world)
      }
  })
})
