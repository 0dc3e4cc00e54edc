import { describe, expect, it } from 'vitest'
import { FakeImages } from './fake-images.ts'
import type { InputsResult } from './job/job.ts'

const image = 'registry.test/mod:v1'
const kernelVersion = '6.1.0-1-amd64'
const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' } }
const minute = 60_000
const built: InputsResult = {
  kind: 'read',
  build: { hash: 'b1'.repeat(32), setup: 'setup', dockerfile: 'FROM scratch' },
}

/** A world in which the image is being built. */
function start(): FakeImages {
  const world = new FakeImages([{ image, kernelVersion, build }])
  world.inputs = built
  return world.settle()
}

describe('an image that others may make, too', () => {
  it('is confirmed again at once by an operator that finds its pod', () => {
    const world = start()
    const { pod } = world
    world.end({ digest: 'sha256:aa' })
    // The operator was killed before it deleted the pod.
    Object.assign(world, { jobs: [{ ...pod, state: { kind: 'succeeded', digest: 'sha256:aa', finishedAtMs: 0 } }] })
    world.restart().settle()
    expect([world.status?.phase, world.jobs]).toEqual(['Ready', []])
  })

  it('is known for its own when the registry shows it before its pod has ended', () => {
    const world = start()
    world.registry.set(image, 'sha256:aa')
    world.advance(10_000)
    expect([world.status?.phase, world.jobs.length]).toEqual(['Building', 1])
    world.end({ digest: 'sha256:aa' })
    expect(world.status).toMatchObject({ phase: 'Ready', builtDigest: 'sha256:aa' })
    expect(world.log).toContain('event BuildSucceeded')
  })

  it('is this operator’s own, too, where it was made for a preflight of the Module', () => {
    const preflight = start().end({ digest: 'sha256:aa' })
    const world = new FakeImages([{ image, kernelVersion, build }])
    world.relatives = preflight.status ? [preflight.status] : []
    Object.assign(world, { inputs: built }).registry.set(image, 'sha256:aa')
    expect(world.settle().status).toMatchObject({ phase: 'Ready', builtDigest: 'sha256:aa' })
    world.relatives = []
    world.change({ images: [{ image, kernelVersion, build, sign }] })
    world.inputs = { ...built, sign: { hash: 's1'.repeat(32), setup: 'setup', certificate: 'c1'.repeat(32) } }
    expect(world.settle().pod.type).toBe('SignImage')
  })

  it('is used, and built no further, when somebody else pushes it meanwhile', () => {
    const world = start()
    world.registry.set(image, 'sha256:ff')
    world.advance(minute)
    expect(world.status).toMatchObject({ phase: 'Exists', digest: 'sha256:ff' })
    expect(world.jobs).toEqual([])
  })

  it('waits while a pod of another Module makes it, and uses what comes of that', () => {
    const world = start()
    const shared = new FakeImages([{ image, kernelVersion, build }])
    Object.assign(shared, { inputs: built, sharedJobs: [{ ...world.pod, maker: 'another Module' }] })
    shared.settle()
    expect(shared.status).toMatchObject({ phase: 'Missing', reason: 'JobQueued' })
    expect(shared.status?.message).toContain(`pod ${world.pod.name} of another Module makes the same image`)
    shared.advance(minute)
    expect(shared.podCount).toBe(0)
    // The other pod has pushed, and is seen to end, between two looks.
    shared.nowMs += 3_000
    shared.registry.set(image, 'sha256:aa')
    shared.sharedJobs = []
    shared.settle()
    expect([shared.status?.phase, shared.podCount]).toEqual(['Exists', 0])
  })

  it('is signed once the pod that built it has ended, by an operator that finds it pushed already', () => {
    const world = new FakeImages([{ image, kernelVersion, build, sign }])
    world.inputs = { ...built, sign: { hash: 's1'.repeat(32), certificate: 'c1'.repeat(32) } }
    const { pod } = world.settle()
    world.registry.set(world.targetOf(pod), 'sha256:un')
    world.restart().settle()
    expect([world.status?.phase, world.jobs]).toEqual(['Building', [pod]])
    world.end({ digest: 'sha256:un' })
    expect(world.pod.type).toBe('SignImage')
    expect(world.log).toContain('event BuildSucceeded')
  })
})
