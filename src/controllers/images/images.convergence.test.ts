import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import { FakeImages, usualSettings } from './fake-images.ts'
import { type BuildInputs, type InputsResult, isAtWork, type Job, type SignInputs } from './job/job.ts'

const image = 'registry.test/mod:v1'
const spec: ModuleImageSpec = {
  image,
  kernelVersion: '6.1.0-1-amd64',
  build: { dockerfileConfigMap: { name: 'dockerfile' } },
  sign: { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/a.ko'] },
}
const minute = 60_000

const buildOf = (version: number): BuildInputs => ({
  dockerfile: 'FROM scratch',
  hash: `b${version}`.repeat(32),
  setup: 'setup',
  unresolved: [],
})
const signOf = (version: number): SignInputs => ({
  hash: `s${version}`.repeat(32),
  certificate: `c${version}`.repeat(32),
})

function start(isSigned: boolean): FakeImages {
  const { sign, ...built } = spec
  const world = new FakeImages([isSigned && sign ? { ...built, sign } : built])
  world.inputs = inputsOf(1, isSigned)
  return world
}

const inputsOf = (version: number, isSigned: boolean): InputsResult => ({
  kind: 'read',
  build: buildOf(version),
  ...(isSigned ? { sign: signOf(1) } : {}),
})

/** Ends what runs well, until nothing does. */
function finish(world: FakeImages): void {
  for (let step = 0; step < 40; step++) {
    world.advance(6 * minute)
    if (!world.jobs.some(isAtWork)) break
    const digest = `sha256:${world.podCount}${world.pod.type}`
    if (world.pod.type === 'SignImage') world.signatures.set(digest, { kind: 'signed' })
    world.end({ digest })
  }
}

describe('an operator that is killed', () => {
  it.each([false, true])('after any of its actions makes no pod twice (signed: %s)', (isSigned) => {
    for (let life = 0; life < 40; life++) {
      const world = start(isSigned)
      world.life = life
      world.settle()
      world.restart()
      finish(world)
      expect([life, world.status?.phase, world.podCount]).toEqual([life, 'Ready', isSigned ? 2 : 1])
    }
  })

  it.each([false, true])('at any time while the pods run makes no pod twice (signed: %s)', (isSigned) => {
    for (let life = 0; life < 40; life++) {
      const world = start(isSigned).settle()
      world.life = life
      const digest = 'sha256:first'
      if (!isSigned) world.signatures.set(digest, { kind: 'signed' })
      world.end({ digest })
      world.restart()
      finish(world)
      expect([life, world.status?.phase, world.podCount]).toEqual([life, 'Ready', isSigned ? 2 : 1])
    }
  })
})

type Happening =
  | {
      kind:
        | 'fail'
        | 'succeed'
        | 'lose'
        | 'nodeLost'
        | 'push'
        | 'clear'
        | 'unreachable'
        | 'reachable'
        | 'restart'
        | 'evict'
    }
  | { kind: 'wait'; minutes: number }
  | { kind: 'inputs'; version: number }
  | { kind: 'trigger'; generation: number }
  | { kind: 'kill'; life: number }

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  fc.constantFrom(
    ...(
      ['fail', 'succeed', 'lose', 'nodeLost', 'push', 'clear', 'unreachable', 'reachable', 'restart', 'evict'] as const
    ).map((kind) => ({ kind })),
  ),
  fc.integer({ min: 1, max: 90 }).map((minutes) => ({ kind: 'wait' as const, minutes })),
  fc.integer({ min: 1, max: 3 }).map((version) => ({ kind: 'inputs' as const, version })),
  fc.integer({ min: 1, max: 3 }).map((generation) => ({ kind: 'trigger' as const, generation })),
  fc.integer({ min: 0, max: 6 }).map((life) => ({ kind: 'kill' as const, life })),
)

const running = (world: FakeImages): Job | undefined => world.jobs.findLast(isAtWork)

const acts: Record<Happening['kind'], (world: FakeImages, happening: never, isSigned: boolean) => void> = {
  fail: (world) => void (running(world) && world.end({ reason: 'BuildFailed' })),
  succeed: (world) => {
    if (!running(world)) return
    const digest = `sha256:made${world.podCount}`
    if (world.pod.type === 'SignImage') world.signatures.set(digest, { kind: 'signed' })
    world.end({ digest })
  },
  lose: (world) => void (world.jobs.length > 0 && world.lose(world.pod)),
  evict: (world) => void (running(world) && world.end({ reason: 'JobPodLost' })),
  nodeLost: (world) => {
    const pod = running(world)
    if (pod) world.replace(pod, { lost: true, deleting: true })
  },
  push: (world) => {
    world.registry.set(image, 'sha256:foreign')
    // What is pushed in the very moment of a look is seen by the next one.
    world.nowMs += 6_000
  },
  clear: (world) => world.registry.clear(),
  unreachable: (world) => {
    world.answer = { kind: 'unknown', reason: 'RegistryUnreachable', message: 'no route' }
  },
  reachable: (world) => {
    world.answer = undefined
  },
  restart: (world) => void world.restart(),
  wait: (world, { minutes }: Extract<Happening, { kind: 'wait' }>) => void world.advance(minutes * minute),
  inputs: (world, { version }: Extract<Happening, { kind: 'inputs' }>, isSigned) => {
    world.inputs = inputsOf(version, isSigned)
  },
  trigger: (world, { generation }: Extract<Happening, { kind: 'trigger' }>) =>
    void world.change({ imageRebuildTriggerGeneration: generation }),
  kill: (world, { life }: Extract<Happening, { kind: 'kill' }>) => {
    world.life = life
    world.settle()
    world.restart()
  },
}

describe('an image, whatever happens', () => {
  it.each([false, true])(
    'has one pod at work at most, is not built while it exists, and is ready in the end (signed: %s)',
    (isSigned) => {
      fc.assert(
        fc.property(fc.array(happenings, { maxLength: 25 }), (list) => {
          const world = start(isSigned)
          world.settings = { ...usualSettings, maxAttempts: 3 }
          world.onCreate = ({ type, target }) => {
            expect(world.jobs.filter(isAtWork)).toEqual([])
            if (type === 'BuildImage') expect([...world.registry.keys()]).not.toContain(target)
            if (type === 'BuildImage') expect([...world.registry.keys()]).not.toContain(image)
          }
          for (const happening of list) {
            acts[happening.kind](world, happening as never, isSigned)
            world.settle()
          }
          world.answer = undefined
          // What was signed by nobody is in the way until it is deleted; a build that was given up, until its inputs change.
          if (world.registry.get(image) === 'sha256:foreign' && isSigned) world.registry.delete(image)
          for (const pod of world.jobs.filter(({ lost }) => lost)) world.lose(pod)
          world.inputs = inputsOf(4, isSigned)
          world.advance(180 * minute)
          finish(world)
          expect(['Ready', 'Exists']).toContain(world.status?.phase)
          expect(world.jobs).toEqual([])
        }),
        { numRuns: 150 },
      )
    },
  )
})
