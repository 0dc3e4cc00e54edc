import { describe, expect, it } from 'vitest'
import { build, buildOf, built, FakeImages, image, start, usualSettings } from './fake-images.ts'

const kernelVersion = '6.1.0-1-amd64'
const minute = 60_000

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
    expect(world.status?.lastFailure).toBe(
      'JobPodLost: the pod that worked on it was gone before anybody saw what became of it',
    )
  })

  it('counts on when its pods go without a word again and again, and ends', () => {
    const world = start({ build }, built)
    const tried = Array.from({ length: usualSettings.maxAttempts - 1 }, () => {
      world.lose(world.pod).settle()
      return world.pod.attempt
    })
    expect(tried).toEqual([2, 3, 4, 5])
    world.lose(world.pod).settle()
    expect([world.podCount, world.status?.reason, world.status?.attempts]).toEqual([5, 'JobPodLost', 5])
    expect(world.advance(60 * minute).podCount).toBe(5)
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
