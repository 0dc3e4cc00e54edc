import { describe, expect, it } from 'vitest'
import type { ModuleImageSpec } from '../../api/module-images-config.ts'
import { FakeImages, usualSettings } from './fake-images.ts'
import { formatUnsignedReference } from './job/job-name.ts'
import type { BuildInputs, InputsResult, SignInputs } from './job/job.ts'

const image = 'registry.test/mod:v1'
const kernelVersion = '6.1.0-1-amd64'
const build = { dockerfileConfigMap: { name: 'dockerfile' } }
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/a.ko'] }
const minute = 60_000

const buildOf = (hash: string): BuildInputs => ({
  dockerfile: 'FROM scratch',
  hash: hash.repeat(32),
  setup: 'setup',
  unresolved: [],
})
const signOf = (name: string): SignInputs => ({
  hash: `s${name}`.repeat(32),
  certificate: `c${name}`.repeat(32),
  setup: 'setup',
})

const built: InputsResult = { kind: 'read', build: buildOf('b1') }
const signing = signOf('1')
const both: InputsResult = { ...built, sign: signing }

function start(spec: Partial<ModuleImageSpec>, inputs: InputsResult): FakeImages {
  const world = new FakeImages([{ image, kernelVersion, ...spec }])
  world.inputs = inputs
  return world.settle()
}

const unsigned = formatUnsignedReference(image, 'b1'.repeat(32))

describe('an image that is built', () => {
  it('is built once, confirmed by the registry, and its pod goes', () => {
    const world = start({ build }, built)
    expect(world.status).toMatchObject({ phase: 'Building', pod: world.pod.name, attempts: 1 })
    expect(world.targetOf(world.pod)).toBe(image)
    world.end({ digest: 'sha256:aa' })
    expect(world.status).toMatchObject({ phase: 'Ready', digest: 'sha256:aa', builtDigest: 'sha256:aa' })
    expect(world.status).not.toHaveProperty('pod')
    expect(world.jobs).toEqual([])
    expect(world.count('create')).toBe(1)
    expect(world.log.filter((line) => line.startsWith('event'))).toEqual(['event BuildCreated', 'event BuildSucceeded'])
  })

  it('stays in sight as long as job.gcDelay says', () => {
    const world = new FakeImages([{ image, kernelVersion, build }])
    Object.assign(world, { inputs: built, settings: { ...usualSettings, gcDelayMs: 10 * minute } })
    world.settle().end({ digest: 'sha256:aa' })
    expect([world.status?.phase, world.jobs.length]).toEqual(['Ready', 1])
    world.advance(9 * minute)
    expect(world.jobs).toHaveLength(1)
    world.advance(2 * minute)
    expect(world.jobs).toEqual([])
  })

  it('is not built while it exists, whatever has changed, and the difference is told', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.inputs = { kind: 'read', build: buildOf('b2') }
    world.advance(120 * minute)
    expect(world.status).toMatchObject({ phase: 'Ready', reason: 'ImageInputsDiffer' })
    expect(world.count('create')).toBe(1)
  })

  it('is no more said to differ when its inputs are as they were', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.inputs = { kind: 'read', build: buildOf('b2') }
    world.advance(120 * minute)
    expect(world.status?.reason).toBe('ImageInputsDiffer')
    world.inputs = built
    world.advance(120 * minute)
    expect(world.status).not.toHaveProperty('reason')
    expect(world.status).not.toHaveProperty('message')
  })

  it('is not said to differ after a trigger, nor while a registry does not say what its base is', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.change({ imageRebuildTriggerGeneration: 1 }).advance(120 * minute)
    expect(world.status).toMatchObject({ phase: 'Ready', builtDigest: 'sha256:aa' })
    expect(world.status).not.toHaveProperty('reason')
    world.inputs = { kind: 'read', build: { ...buildOf('b3'), unresolved: ['base:1'] } }
    world.advance(120 * minute)
    expect(world.status).not.toHaveProperty('reason')
  })

  it('is tried anew from the first attempt when the failed pod takes its time to go', () => {
    const world = start({ build }, built)
    for (let attempt = 1; attempt <= 5; attempt++) world.end({ reason: 'BuildFailed' }).advance(5 * minute)
    world.replace(world.pod, { deleting: true }).settle()
    expect(world.status?.phase).toBe('Failed')
    world.lose(world.pod).settle()
    expect(world.pod.attempt).toBe(1)
  })

  it('does not spend its attempts on a node that turns each pod away', () => {
    const world = start({ build }, built)
    world.end({ reason: 'JobPodLost' })
    expect(world.count('create')).toBe(1)
    world.advance(11_000)
    expect(world.count('create')).toBe(2)
  })

  it('is left alone by a trigger as long as it exists, and made anew once it is lost', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.change({ imageRebuildTriggerGeneration: 1 }).settle()
    expect(world.config.status?.imageRebuildTriggerGeneration).toBe(1)
    expect(world.count('create')).toBe(1)
    world.registry.clear()
    world.change({ imageRebuildTriggerGeneration: 2 }).settle()
    expect(world.count('create')).toBe(2)
    // Done means made, not begun.
    expect(world.config.status?.imageRebuildTriggerGeneration).toBe(1)
    world.end({ digest: 'sha256:bb' })
    expect(world.config.status?.imageRebuildTriggerGeneration).toBe(2)
    expect(world.status).not.toHaveProperty('reason')
  })

  it('is looked at at once when a worker does not find it, and built again', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.registry.clear()
    world.isDoubted = true
    world.advance(2 * minute)
    expect(world.status?.phase).toBe('Building')
  })

  it('is tried at growing distances, as often as the configuration says', () => {
    const world = start({ build }, built)
    const made = [world.nowMs]
    for (let attempt = 1; attempt <= 5; attempt++) {
      expect(world.pod.attempt).toBe(attempt)
      world.end({ reason: 'BuildFailed', log: 'make: error' })
      expect(world.status).toMatchObject({
        phase: 'Failed',
        reason: 'BuildFailed',
        log: 'make: error',
        pod: world.pod.name,
      })
      if (attempt < 5) {
        world.advance(Date.parse(world.status?.retryAt ?? '') - world.nowMs)
        made.push(world.nowMs)
        expect(world.status).toMatchObject({
          phase: 'Building',
          lastFailure: expect.stringContaining('BuildFailed: it went wrong'),
        })
        // The failed pod's log has been told: only the new one is left.
        expect(world.jobs).toHaveLength(1)
      }
    }
    const pauses = made.slice(1).map((at, index) => (at - (made[index] ?? 0)) / 1000)
    expect(pauses).toEqual([10, 20, 40, 80])
    expect(world.status).not.toHaveProperty('retryAt')
    world.advance(600 * minute)
    expect(world.count('create')).toBe(5)
    expect(world.jobs).toHaveLength(1)
  })

  it.each([-60, 60])('is tried again after the pause where the clock of the node is %s minutes off', (minutes) => {
    const world = start({ build }, built)
    const finishedAtMs = world.nowMs + minutes * minute
    const state = { kind: 'failed', reason: 'BuildFailed', message: 'no', log: '', finishedAtMs } as const
    world.replace(world.pod, { state }).settle()
    world.advance(9_000)
    expect(world.count('create')).toBe(1)
    world.advance(2_000)
    expect(world.count('create')).toBe(2)
  })

  it('is tried again at once when somebody deletes the failed pod', () => {
    const world = start({ build }, built).end({ reason: 'BuildFailed' })
    world.lose(world.pod).settle()
    expect(world.pod).toMatchObject({ attempt: 1, state: { kind: 'running' } })
    expect(world.status).toMatchObject({ phase: 'Building', attempts: 1 })
  })

  it('is tried again when what it is made from has changed, within a minute', () => {
    const world = start({ build }, built)
    for (let attempt = 1; attempt <= 5; attempt++) world.end({ reason: 'BuildFailed' }).advance(5 * minute)
    expect(world.status?.phase).toBe('Failed')
    world.inputs = { kind: 'read', build: buildOf('b2') }
    world.advance(minute)
    expect(world.status).toMatchObject({ phase: 'Building', attempts: 1 })
    expect(world.jobs).toHaveLength(1)
  })

  it('waits for what it is made from, and goes on within a minute', () => {
    const message = 'ConfigMap ns/dockerfile does not exist: create it'
    const world = start({ build }, { kind: 'unusable', reason: 'ImageInputMissing', message })
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'ImageInputMissing', message })
    world.inputs = built
    world.advance(minute)
    expect(world.status?.phase).toBe('Building')
  })

  it('stops a build of what has changed, and credits its result to nobody', () => {
    const world = start({ build }, built)
    const [old] = world.jobs
    world.change({ imageRebuildTriggerGeneration: 1 }).settle()
    expect(world.jobs).toHaveLength(1)
    expect(world.pod.uid).not.toBe(old?.uid)
    expect(world.log.indexOf('delete BuildImage 1')).toBeLessThan(world.log.lastIndexOf('create BuildImage 1'))
  })

  it('is made anew when its pod is lost with its node, at once and no more often than the configuration says', () => {
    const world = start({ build }, built)
    for (let attempt = 1; attempt < 5; attempt++) world.replace(world.pod, { lost: true, deleting: true }).settle()
    expect(world.pod.attempt).toBe(5)
    world.replace(world.pod, { lost: true, deleting: true }).settle()
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'JobPodLost' })
    expect(world.count('create')).toBe(5)
  })

  it('is made anew when its pod is gone without a word', () => {
    const world = start({ build }, built)
    world.lose(world.pod).settle()
    expect(world.pod.attempt).toBe(2)
  })

  it('tells that the registry does not have what was pushed', () => {
    const world = start({ build }, built)
    world.end({ digest: 'sha256:aa' })
    world.registry.clear()
    const lost = start({ build }, built)
    const finishedAtMs = lost.nowMs
    lost.replace(lost.pod, { state: { kind: 'succeeded', digest: 'sha256:aa', finishedAtMs } }).settle()
    expect(lost.status).toMatchObject({ phase: 'Failed', reason: 'ImageLost' })
    lost.advance(11_000)
    expect(lost.pod.attempt).toBe(2)
  })

  it('waits while others build, one slot for one pod', () => {
    const images = ['a', 'b', 'c'].map((tag) => ({ image: `registry.test/mod:${tag}`, kernelVersion, build }))
    const world = new FakeImages(images)
    Object.assign(world, { inputs: built, settings: { ...usualSettings, maxConcurrentBuilds: 2 } })
    world.settle()
    expect(world.jobs).toHaveLength(2)
    expect(world.config.status?.images?.[2]).toMatchObject({ phase: 'Missing', reason: 'JobQueued' })
    world.end({ digest: 'sha256:bb' }).advance(5_000)
    expect(world.count('create')).toBe(3)
  })

  it('keeps its pod, its count and its time while the next attempt waits for a slot', () => {
    const world = start({ build }, built).end({ reason: 'BuildFailed' })
    const failed = world.status
    world.activeElsewhere = 4
    world.advance(30 * minute)
    expect(world.status).toEqual({
      ...failed,
      message: expect.stringMatching(/attempt 2 of 5 follows: waits for its turn/),
    })
    expect([world.jobs.length, world.podCount]).toEqual([1, 1])
    world.activeElsewhere = 0
    world.advance(minute)
    expect(world.status).toMatchObject({ phase: 'Building', attempts: 2, lastFailure: 'BuildFailed: it went wrong' })
  })

  it('ends with the image where somebody pushes it meanwhile', () => {
    const world = start({ build }, built)
    world.registry.set(image, 'sha256:ff')
    world.advance(minute)
    expect(world.status).toMatchObject({ phase: 'Exists', digest: 'sha256:ff' })
    expect(world.jobs).toEqual([])
  })

  it('is built and not pushed where that was asked for', () => {
    const world = new FakeImages([{ image, kernelVersion, build }], { pushBuiltImage: false })
    world.inputs = built
    world.settle()
    const finishedAtMs = world.nowMs
    world.replace(world.pod, { state: { kind: 'succeeded', digest: '', finishedAtMs } }).settle()
    expect(world.status?.phase).toBe('Built')
    world.advance(600 * minute)
    expect(world.count('create')).toBe(1)
  })
})

describe('an image that is built and signed', () => {
  const signed = (): FakeImages => {
    const world = start({ build, sign }, both)
    expect(world.targetOf(world.pod)).toBe(unsigned)
    world.end({ digest: 'sha256:un' })
    expect(world.pod.type).toBe('SignImage')
    expect(world.targetOf(world.pod)).toBe(image)
    return world
  }

  it('is pushed unsigned beside its name, which appears only signed', () => {
    const world = signed()
    expect(world.registry.has(image)).toBe(false)
    expect(world.status?.phase).toBe('Signing')
    world.signatures.set('sha256:si', { kind: 'signed' })
    world.end({ digest: 'sha256:si' })
    expect(world.status).toMatchObject({ phase: 'Ready', signedBy: signing.certificate, builtDigest: 'sha256:si' })
    expect(world.jobs).toEqual([])
    expect(world.log.filter((line) => line.startsWith('event'))).toEqual(
      ['BuildCreated', 'BuildSucceeded', 'SignCreated', 'SignSucceeded'].map((reason) => `event ${reason}`),
    )
  })

  it('is not built again when signing fails', () => {
    const world = signed()
    for (let attempt = 1; attempt <= 5; attempt++) world.end({ reason: 'SignFailed' }).advance(5 * minute)
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'SignFailed' })
    expect(world.log.filter((line) => line.startsWith('create BuildImage'))).toHaveLength(1)
    expect(world.log.filter((line) => line.startsWith('create SignImage'))).toHaveLength(5)
  })

  it('is built again when the unsigned image is lost before it is signed', () => {
    const world = signed()
    world.registry.clear()
    world.end({ reason: 'UnsignedImageMissing' }).advance(minute)
    expect(world.pod.type).toBe('BuildImage')
  })

  it('is signed by the next operator, too, without another build', () => {
    const world = signed()
    expect(world.status?.unsignedDigest).toBe('sha256:un')
    world.end({ reason: 'SignFailed' }).restart().advance(minute)
    expect(world.pod.type).toBe('SignImage')
    expect(world.log.filter((line) => line.startsWith('create BuildImage'))).toHaveLength(1)
  })

  it('is not made of what somebody else has pushed under the name of the unsigned one', () => {
    const world = new FakeImages([{ image, kernelVersion, build, sign }])
    world.inputs = both
    world.registry.set(unsigned, 'sha256:evil')
    world.settle()
    expect(world.pod.type).toBe('BuildImage')
    world.end({ digest: 'sha256:un' })
    expect(world.pod.type).toBe('SignImage')
  })
})

describe('an image that is signed only', () => {
  const unsignedImage = 'vendor.test/mod:1'
  const signOnly: InputsResult = { kind: 'read', sign: signing }

  it('is made from the image that the Module names', () => {
    const world = new FakeImages([{ image, kernelVersion, sign: { ...sign, unsignedImage } }])
    world.inputs = signOnly
    world.registry.set(unsignedImage, 'sha256:ve')
    world.settle()
    expect(world.pod.type).toBe('SignImage')
    world.signatures.set('sha256:si', { kind: 'signed' })
    world.end({ digest: 'sha256:si' })
    expect(world.status?.phase).toBe('Ready')
  })

  it('is not done for a trigger while that image cannot be seen', () => {
    const world = new FakeImages([{ image, kernelVersion, sign: { ...sign, unsignedImage } }])
    Object.assign(world, { inputs: signOnly })
    world.change({ imageRebuildTriggerGeneration: 7 }).settle()
    expect(world.status?.retryAt).toBeDefined()
    expect(world.config.status).not.toHaveProperty('imageRebuildTriggerGeneration')
  })

  it('waits for that image, and goes on when it is there', () => {
    const world = start({ sign: { ...sign, unsignedImage } }, signOnly)
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'UnsignedImageMissing' })
    expect(world.jobs).toEqual([])
    world.registry.set(unsignedImage, 'sha256:ve')
    world.advance(6_000)
    expect(world.pod.type).toBe('SignImage')
  })

  it('says that there is nothing to sign', () => {
    const world = start({ sign }, signOnly)
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'UnsignedImageMissing' })
    expect(world.status?.message).toContain('sign.unsignedImage')
  })
})

describe('an image that exists when signing is asked for', () => {
  it('is signed in its place where this operator built it', () => {
    const world = start({ build }, built).end({ digest: 'sha256:aa' })
    world.inputs = both
    world.change({ images: [{ image, kernelVersion, build, sign }] }).settle()
    expect(world.pod.type).toBe('SignImage')
    expect(world.targetOf(world.pod)).toBe(image)
    world.signatures.set('sha256:si', { kind: 'signed' })
    world.end({ digest: 'sha256:si' })
    expect(world.status).toMatchObject({ phase: 'Ready', digest: 'sha256:si', signedBy: signing.certificate })
    expect(world.log.filter((line) => line.startsWith('create BuildImage'))).toHaveLength(1)
  })

  it('is used as it is where its modules carry the signature', () => {
    const world = new FakeImages([{ image, kernelVersion, sign }])
    world.inputs = { kind: 'read', sign: signing }
    world.registry.set(image, 'sha256:ff')
    world.signatures.set('sha256:ff', { kind: 'signed' })
    world.settle()
    expect(world.status).toMatchObject({ phase: 'Exists', signedBy: signing.certificate })
    expect(world.jobs).toEqual([])
  })

  it('is told to be unsigned otherwise, until a signed one is there', () => {
    const world = new FakeImages([{ image, kernelVersion, build, sign }])
    world.inputs = both
    world.registry.set(image, 'sha256:ff')
    world.settle()
    expect(world.status).toMatchObject({ phase: 'Failed', reason: 'ExistsUnsigned' })
    expect(world.jobs).toEqual([])
    world.registry.set(image, 'sha256:gg')
    world.signatures.set('sha256:gg', { kind: 'signed' })
    world.advance(5 * minute)
    expect(world.status?.phase).toBe('Exists')
  })

  it('is signed anew where the certificate was exchanged', () => {
    const world = start({ build, sign }, both).end({ digest: 'sha256:un' })
    world.signatures.set('sha256:si', { kind: 'signed' })
    world.end({ digest: 'sha256:si' })
    world.signatures.clear()
    world.inputs = { ...both, sign: signOf('2') }
    world.advance(61 * minute)
    expect(world.pod.type).toBe('SignImage')
    world.signatures.set('sha256:s2', { kind: 'signed' })
    world.end({ digest: 'sha256:s2' })
    expect(world.status).toMatchObject({ phase: 'Ready', signedBy: 'c2'.repeat(32) })
  })

  it('is used as it is where nothing but the certificate can be read', () => {
    const world = new FakeImages([{ image, kernelVersion, build, sign }])
    const message = 'ConfigMap ns/dockerfile does not exist'
    world.inputs = { kind: 'unusable', reason: 'ImageInputMissing', message, certificate: signing.certificate }
    world.registry.set(image, 'sha256:ff')
    expect(world.settle().status).toMatchObject({ phase: 'Failed', reason: 'ImageInputMissing' })
    world.registry.set(image, 'sha256:gg')
    world.signatures.set('sha256:gg', { kind: 'signed' })
    world.advance(5 * minute)
    expect(world.status).toMatchObject({ phase: 'Exists', signedBy: signing.certificate })
  })

  it('keeps what was found of it while its inputs are gone', () => {
    const world = start({ build, sign }, both).end({ digest: 'sha256:un' })
    world.signatures.set('sha256:si', { kind: 'signed' })
    world.end({ digest: 'sha256:si' })
    world.inputs = { kind: 'unusable', reason: 'ImageInputMissing', message: 'Secret ns/cert does not exist' }
    world.restart().advance(180 * minute)
    expect(world.status).toMatchObject({ phase: 'Ready', signedBy: signing.certificate })
  })
})
