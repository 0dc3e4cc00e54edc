import { describe, expect, it } from 'vitest'
import { build, built, FakeImages, image, start } from './fake-images.ts'
import { formatUnsignedReference } from './job/job-name.ts'
import type { InputsResult, SignInputs } from './job/job.ts'

const kernelVersion = '6.1.0-1-amd64'
const sign = { keySecret: { name: 'key' }, certSecret: { name: 'cert' }, filesToSign: ['/opt/a.ko'] }
const minute = 60_000

const signOf = (name: string): SignInputs => ({
  hash: `s${name}`.repeat(32),
  certificate: `c${name}`.repeat(32),
  setup: 'setup',
})

const signing = signOf('1')
const both: InputsResult = { ...built, sign: signing }
const unsigned = formatUnsignedReference(image, 'b1'.repeat(32))

describe('an image that is signed to see that it can be', () => {
  it('is signed once, and pushed nowhere', () => {
    const source = { unsignedImage: 'registry.example/unsigned:1' }
    const world = new FakeImages([{ image, kernelVersion, sign: { ...sign, ...source } }], { pushBuiltImage: false })
    world.inputs = { kind: 'read', sign: signing }
    world.registry.set(source.unsignedImage, 'sha256:un')
    world.settle()
    const finishedAtMs = world.nowMs
    world.replace(world.pod, { state: { kind: 'succeeded', digest: '', finishedAtMs } }).settle()
    expect(world.status).toMatchObject({ phase: 'Built', message: expect.stringContaining('can be signed') as string })
    world.restart().advance(600 * minute)
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
